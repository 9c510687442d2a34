import { LONGEST, LogText } from './logtext';

/** Most characters a view holds. */
export const MAX_TEXT = 1024 * 1024;
/** Characters of one block: what the browser lays out together. */
const BLOCK = 16_384;

/** Some lines, drawn as one element. */
export interface IBlock {
  readonly id: number;
  text: string;
}

/** The lines of a log that are on show: whole lines in blocks, the oldest dropped when full. */
export class LogBuffer {
  /** Oldest first; all but the last end with a line's end, unless a line is longer than a block. */
  readonly blocks: IBlock[] = [];

  /** Whether older lines were dropped to make room. */
  dropped = false;

  /** Characters held. */
  get length(): number {
    return this.blocks.reduce((sum, block) => sum + block.text.length, 0);
  }

  clear(): void {
    this.blocks.length = 0;
    this.dropped = false;
    this._text = new LogText();
  }

  /** Add what was written since. */
  push(piece: string): void {
    const { cut, add } = this._text.push(piece);
    const last = this.blocks.pop() ?? { id: this._id++, text: '' };
    last.text = last.text.slice(0, last.text.length - cut) + add;
    this.blocks.push(...this._split(last));
    let over = this.length - MAX_TEXT;
    while (over > 0 && this.blocks.length > 1) {
      over -= this.blocks.shift()!.text.length;
      this.dropped = true;
    }
  }

  /** Add what was written before. */
  unshift(piece: string): void {
    const { add } = new LogText().push(piece);
    const first = this.blocks.shift() ?? { id: this._id++, text: '' };
    first.text = add + first.text;
    this.blocks.unshift(...this._split(first));
  }

  private _split(block: IBlock): IBlock[] {
    const result: IBlock[] = [];
    let text = block.text;
    while (text.length > BLOCK) {
      const at = text.lastIndexOf('\n', BLOCK - 1);
      let end = at < 0 ? text.indexOf('\n') : at;
      if (end < 0 && text.length > LONGEST) {
        end = LONGEST - 1;
      }
      if (end < 0 || end === text.length - 1) {
        break;
      }
      result.push({ id: this._id++, text: text.slice(0, end + 1) });
      text = text.slice(end + 1);
    }
    // The unfinished end keeps its element: only its text grows.
    result.push({ id: block.id, text });
    return result;
  }

  private _text = new LogText();
  private _id = 0;
}
