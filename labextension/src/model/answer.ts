/** Fewer values are a number, more are no picture that can be read. */
const LEAST = 2;
const MOST = 100;

/** One value of a row. */
export interface IBar {
  index: number;
  value: number;
  /** Of the longest bar of its row, 0 to 1. */
  share: number;
  /** Whether all others are smaller. */
  isLargest: boolean;
}

/** The values of one row of an output. */
export interface IBarRow {
  /** Of the output; empty where there is only one. */
  output: string;
  /** From 0. */
  row: number;
  bars: IBar[];
}

/** The rows of an answer that can be shown as bars, of V1 and of V2. */
export function barRows(text: string): IBarRow[] {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (reason) {
    if (reason instanceof SyntaxError) {
      return [];
    }
    throw reason;
  }
  const { predictions, outputs } = (answer ?? {}) as { predictions?: unknown; outputs?: unknown };
  if (Array.isArray(predictions)) {
    return predictions.flatMap((prediction, row) =>
      Array.isArray(prediction)
        ? barRow('', row, prediction)
        : Object.entries(prediction ?? {}).flatMap(([output, values]) =>
            barRow(output, row, values)
          )
    );
  }
  return Array.isArray(outputs) ? outputs.flatMap(outputRows) : [];
}

function outputRows(output: unknown): IBarRow[] {
  const { name, shape, data } = (output ?? {}) as Record<string, unknown>;
  if (!Array.isArray(shape) || shape.length !== 2 || !Array.isArray(data)) {
    return [];
  }
  const [rows, width] = shape as number[];
  return data.length === rows * width
    ? Array.from({ length: rows }, (_, row) => row).flatMap(row =>
        barRow(String(name), row, data.slice(row * width, (row + 1) * width))
      )
    : [];
}

function barRow(output: string, row: number, values: unknown): IBarRow[] {
  const isRow =
    Array.isArray(values) &&
    values.length >= LEAST &&
    values.length <= MOST &&
    values.every(value => typeof value === 'number');
  if (!isRow) {
    return [];
  }
  const numbers = values as number[];
  const longest = Math.max(...numbers.map(Math.abs));
  const largest = Math.max(...numbers);
  const alone = numbers.filter(value => value === largest).length === 1;
  const bars = numbers.map((value, index) => ({
    index,
    value,
    share: longest === 0 ? 0 : Math.abs(value) / longest,
    isLargest: alone && value === largest
  }));
  return [{ output, row, bars }];
}

/** A piece of an answer's text, and whether the other answer has something else there. */
export interface IPiece {
  text: string;
  differs: boolean;
}

/** Numbers that two runs of the same arithmetic may differ by, as a part of them. */
const NOISE = 1e-6;
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/g;

/** Both texts in pieces; null where the answers do not have the same form. */
export function differences(one: string, other: string): [IPiece[], IPiece[]] | null {
  const tokens = [one, other].map(text => [...text.matchAll(TOKEN)]);
  const frames = [one, other].map(text => text.replace(TOKEN, '#').replace(/\s+/g, ''));
  if (frames[0] !== frames[1]) {
    return null;
  }
  const differs = tokens[0].map((token, at) => isOther(token[0], tokens[1][at][0]));
  const [left, right] = [one, other].map((text, which) => piecesOf(text, tokens[which], differs));
  return [left, right];
}

function piecesOf(
  text: string,
  tokens: readonly RegExpMatchArray[],
  differs: readonly boolean[]
): IPiece[] {
  const pieces: IPiece[] = [];
  let from = 0;
  tokens.forEach((token, at) => {
    if (differs[at]) {
      const start = token.index ?? 0;
      pieces.push({ text: text.slice(from, start), differs: false });
      pieces.push({ text: token[0], differs: true });
      from = start + token[0].length;
    }
  });
  pieces.push({ text: text.slice(from), differs: false });
  return pieces.filter(piece => piece.text !== '');
}

function isOther(one: string, other: string): boolean {
  const [a, b] = [Number(one), Number(other)];
  return Number.isNaN(a) || Number.isNaN(b)
    ? one !== other
    : Math.abs(a - b) > NOISE * Math.max(Math.abs(a), Math.abs(b));
}
