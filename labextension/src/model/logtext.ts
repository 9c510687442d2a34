// Escape sequences of terminals: CSI (colours, cursor), OSC (titles, links), and the short ones.
const ESCAPE =
  /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()#%][0-9A-Za-z]|[0-Z\\^-~])/g;
const UNFINISHED = /\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[()#%]?)$/;
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;
const PREFIX = /^\[[^\]\s]+-\d+\] /;
/** An unfinished line or sequence of so many characters is taken as it is. */
export const LONGEST = 65_536;

/** A change at the end of a text: take `cut` characters away, then add `add`. */
export interface IEdit {
  cut: number;
  add: string;
}

/**
 * Turns what programs write for terminals into plain text, piece by piece: escape sequences go,
 * and a line that rewrites itself with carriage returns (a progress bar) shows its last form.
 */
export class LogText {
  push(piece: string): IEdit {
    let text = this._rest + piece;
    this._rest = '';
    const unfinished = UNFINISHED.exec(text)?.index ?? text.length;
    // A carriage return at the very end may be half of a line's end.
    const at = text.endsWith('\r') ? text.length - 1 : unfinished;
    if (text.length - at < LONGEST) {
      this._rest = text.slice(at);
      text = text.slice(0, at);
    }
    text = text.replace(ESCAPE, '').replace(CONTROL, '').replace(/\r+\n/g, '\n');

    const lines = (this._line + text).split('\n').map(rewritten);
    const result = lines.join('\n');
    const before = this._line;
    const last = lines[lines.length - 1];
    this._line = last.length < LONGEST ? last : '';
    return result.startsWith(before)
      ? { cut: 0, add: result.slice(before.length) }
      : { cut: before.length, add: result };
  }

  /** The last line as far as it has come. */
  private _line = '';
  private _rest = '';
}

/** What a line shows after its carriage returns; the replica's name in front of it stays. */
function rewritten(line: string): string {
  const parts = line.split('\r').filter(part => part !== '');
  if (parts.length < 2) {
    return parts[0] ?? '';
  }
  const last = parts[parts.length - 1];
  const prefix = PREFIX.exec(parts[0])?.[0] ?? '';
  return PREFIX.test(last) ? last : prefix + last;
}
