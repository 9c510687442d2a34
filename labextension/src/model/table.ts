import { Literal, pretty, written } from './jsontext';
import type { IColumn } from './ways';

/** More rows than people fill in by hand. */
export const MOST_ROWS = 100;

/** A number as JSON writes it. */
const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

/** What people write for true and false. */
const BOOLS = new Map([
  ['true', true],
  ['false', false],
  ['1', true],
  ['0', false]
]);

/** A cell that is no value of its column; counted from 0. */
export interface ICellFlaw {
  row: number;
  column: number;
}

/** One row without values. */
export function emptyRow(columns: readonly IColumn[]): string[] {
  return columns.map(() => '');
}

/** The request that a table stands for, or the first cell that is in its way. Empty rows are none. */
export function tableText(
  rows: readonly (readonly string[])[],
  columns: readonly IColumn[]
): string | ICellFlaw {
  const single = new Set(columns.map(({ input }) => input)).size === 1;
  const instances: unknown[] = [];
  for (const [at, cells] of rows.entries()) {
    if (rows.length > 1 && cells.every(cell => cell.trim() === '')) {
      continue;
    }
    const row: Record<string, unknown> = {};
    for (const [column, { input, index, datatype }] of columns.entries()) {
      const value = valueOf(cells[column], datatype);
      if (value === undefined) {
        return { row: at, column };
      }
      if (index === null) {
        row[input] = value;
      } else {
        ((row[input] ??= []) as unknown[]).push(value);
      }
    }
    instances.push(single ? row[columns[0].input] : row);
  }
  return instances.length === 0 ? { row: 0, column: 0 } : pretty({ instances });
}

/** The value of a cell; undefined where it is none. A number keeps all its digits. */
function valueOf(cell: string, datatype: string): unknown {
  const text = cell.trim();
  if (datatype === 'BYTES') {
    return cell;
  }
  if (datatype === 'BOOL') {
    return BOOLS.get(text.toLowerCase());
  }
  // Spreadsheets write +1, .5 and 007 too.
  const plain = text
    .replace(/^\+/, '')
    .replace(/^(-?)0+(?=\d)/, '$1')
    .replace(/^(-?)\./, '$10.');
  return NUMBER.test(plain) ? new Literal(plain) : undefined;
}

/** The rows of a request; null where it is none that a table with these columns can show. */
export function tableRows(text: string, columns: readonly IColumn[]): string[][] | null {
  let request: unknown;
  try {
    request = written(text);
  } catch (reason) {
    if (reason instanceof SyntaxError) {
      return null;
    }
    throw reason;
  }
  const instances = (request as { instances?: unknown } | null)?.instances;
  if (!Array.isArray(instances) || instances.length === 0 || instances.length > MOST_ROWS) {
    return null;
  }
  const rows = instances.map(instance => cellsOf(instance, columns));
  return rows.every(row => row !== null) ? rows : null;
}

function cellsOf(instance: unknown, columns: readonly IColumn[]): string[] | null {
  const named = typeof instance === 'object' && instance !== null && !Array.isArray(instance);
  const of = (input: string) => (named ? (instance as Record<string, unknown>)[input] : instance);
  const widths = new Map<string, number>();
  columns.forEach(({ input, index }) => widths.set(input, (index ?? 0) + 1));
  const cells = columns.map(({ input, index }) => {
    const values = of(input);
    const fits = index === null || (Array.isArray(values) && values.length === widths.get(input));
    const value = index === null ? values : fits ? (values as unknown[])[index] : undefined;
    return value instanceof Literal
      ? value.source
      : ['string', 'number', 'boolean'].includes(typeof value)
        ? String(value)
        : null;
  });
  return cells.every(cell => cell !== null) ? cells : null;
}

/** Cells as a spreadsheet copies them: tabs between columns, else commas or semicolons. */
export function pastedCells(text: string): string[][] {
  const lines = text.replace(/\r\n?/g, '\n').replace(/\n+$/, '').split('\n');
  const between = ['\t', ';', ','].find(mark => lines.some(line => line.includes(mark))) ?? '\t';
  return lines.map(line =>
    line.split(between).map(cell =>
      cell
        .trim()
        .replace(/^"(.*)"$/, '$1')
        .replace(/""/g, '"')
    )
  );
}

/** A table with cells put over its own from one of them on; it grows by rows, never by columns. */
export function pasted(
  rows: readonly (readonly string[])[],
  at: ICellFlaw,
  cells: readonly (readonly string[])[],
  columns: readonly IColumn[]
): string[][] {
  const fresh = rows.map(row => [...row]);
  for (const [down, line] of cells.entries()) {
    const row = at.row + down;
    if (row >= MOST_ROWS) {
      break;
    }
    fresh[row] ??= emptyRow(columns);
    for (const [right, cell] of line.entries()) {
      if (at.column + right < columns.length) {
        fresh[row][at.column + right] = cell;
      }
    }
  }
  return fresh;
}
