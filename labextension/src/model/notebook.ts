/** A code cell of a notebook that is open in this page, as it stands there. */
export interface ICell {
  /** Place among all cells of the notebook, from 1. */
  number: number;
  source: string;
  selected: boolean;
  tags: readonly string[];
}

/** A notebook that is open in this page: edits that are not saved are in it. */
export interface INotebook {
  path: string;
  cells: readonly ICell[];
}

/** Which cells of a notebook run. */
export type Cells = 'selected' | 'tagged';

/** What marks a cell for training, as a tag of JupyterLab's property inspector. */
export const TAG = 'train';

/** Does not work in a script: a magic, a shell line, a question. */
const NOTEBOOK_ONLY = /^\s*[%!]|=\s*[%!]\s*\w|\?\s*$/;

/** The cells that are meant, from the top; those in which nothing stands are left out. */
export function cellsOf(notebook: INotebook, which: Cells): ICell[] {
  return notebook.cells.filter(
    ({ selected, source, tags }) =>
      source.trim() !== '' && (which === 'selected' ? selected : tags.includes(TAG))
  );
}

/**
 * The cells as one script. Each follows a line that names it, and has as many lines as in the
 * notebook: `%%train` on top of one becomes a comment.
 */
export function scriptOf(cells: readonly ICell[]): string {
  return cells
    .map(({ number, source }) => `# %% cell ${number}\n${source.replace(/^%%train\b/, '# $&')}\n`)
    .join('\n');
}

/** Which cell a line of the script comes from, and which of its lines it is, from 1. */
export function placeIn(
  cells: readonly ICell[],
  line: number
): { cell: number; line: number } | null {
  let first = 2; // Line 1 names the first cell.
  for (const { number, source } of cells) {
    const lines = source.split('\n').length;
    if (line < first + lines) {
      return { cell: number, line: Math.max(1, line - first + 1) };
    }
    first += lines + 2;
  }
  return null;
}

/** Whether a line of a script works in a notebook only, as far as it can be told. */
export function isNotebookOnly(source: string, line: number): boolean {
  return NOTEBOOK_ONLY.test(source.split('\n')[line - 1] ?? '');
}
