import type { IModelVersion } from '../serving';
import { Form } from './form';
import {
  emptyRow,
  type ICellFlaw,
  MOST_ROWS,
  pasted,
  pastedCells,
  tableRows,
  tableText
} from './table';
import { columnsOf, type IColumn } from './ways';

/** A request that is filled in cell by cell. */
export class TableForm extends Form {
  columns: readonly IColumn[] = [];

  rows: readonly (readonly string[])[] = [];

  /** The request, as far as the cells make one; null while they do not. */
  text: string | null = null;

  /** The first cell that is no value, once that was worth saying. */
  flaw: ICellFlaw | null = null;

  /** Counts how often the flaw is to be looked at. */
  refusals = 0;

  /** Rows of what was pasted last that had no room. */
  cut = 0;

  /** Have the columns of a version; what stands in cells stays while they are the same. */
  fit({ inputs }: Pick<IModelVersion, 'inputs'>): void {
    const columns = columnsOf(inputs);
    if (JSON.stringify(columns) !== JSON.stringify(this.columns)) {
      this.columns = columns;
      this.clear();
    }
  }

  /** Show what a request says, where it can be a table; whether it can. */
  read(request: string): boolean {
    const rows = tableRows(request, this.columns);
    if (rows !== null) {
      this._show(rows);
    }
    return rows !== null;
  }

  /** Begin anew. */
  clear(): void {
    this._show([emptyRow(this.columns)]);
  }

  set(row: number, column: number, value: string): void {
    this._take(
      this.rows.map((cells, at) =>
        at === row ? cells.map((cell, which) => (which === column ? value : cell)) : cells
      )
    );
  }

  /** Put cells of a spreadsheet over those from this one on; false when it is only one. */
  paste(at: ICellFlaw, text: string): boolean {
    const cells = pastedCells(text);
    if (cells.length === 1 && cells[0].length === 1) {
      return false;
    }
    this._take(pasted(this.rows, at, cells, this.columns));
    this.cut = Math.max(0, at.row + cells.length - MOST_ROWS);
    this.announce();
    return true;
  }

  add(): void {
    if (this.rows.length < MOST_ROWS) {
      this._take([...this.rows, emptyRow(this.columns)]);
    }
  }

  remove(row: number): void {
    const rows = this.rows.filter((_, at) => at !== row);
    this._take(rows.length > 0 ? rows : [emptyRow(this.columns)]);
  }

  /** Say which cell keeps the table from being sent; whether there is one. */
  complain(): boolean {
    const made = tableText(this.rows, this.columns);
    this.flaw = typeof made === 'string' ? null : made;
    if (this.flaw !== null) {
      this.refusals += 1;
      this.announce();
    }
    return this.flaw !== null;
  }

  /** Rows that nobody has typed here. */
  private _show(rows: readonly (readonly string[])[]): void {
    this.rows = rows;
    this.text = this.flaw = null;
    this.cut = 0;
  }

  private _take(rows: readonly (readonly string[])[]): void {
    this.rows = rows;
    this.cut = 0;
    const made = tableText(rows, this.columns);
    this.text = typeof made === 'string' ? made : null;
    // A cell that is being filled in is not complained of, one that was may be right now.
    if (this.flaw !== null) {
      this.flaw = typeof made === 'string' ? null : made;
    }
    this.announce();
  }
}
