import type { TranslationBundle } from '@jupyterlab/translation';
import { LabError } from '../errors';
import type { ICode, IFinding, ISpec } from '../trainspec';
import { type IDraft, nameFor } from './draft';
import { type IFiles, localModules } from './imports';
import {
  type Cells,
  cellsOf,
  type ICell,
  type INotebook,
  isNotebookOnly,
  placeIn,
  scriptOf,
  TAG
} from './notebook';

/** What a training can be made of: the files of the lab and the notebooks that are open. */
export interface ISources extends IFiles {
  notebooks(): readonly INotebook[];
}

/** A line that a person can be shown. */
export interface IPlace {
  /** From the root of the files. */
  path: string;
  /** From 1; of the cell, when there is one. */
  line: number;
  /** Place among the cells of a notebook, from 1. */
  cell: number | null;
}

/** The code of a wish, and where it stands in the lab. */
export class Built {
  constructor(
    readonly code: ICode,
    /** Of the file or notebook; empty when the code lies in no file of the lab. */
    private readonly _path: string,
    private readonly _cells: readonly ICell[] | null = null
  ) {}

  /** Where a finding's line stands in the lab, or null. */
  placeOf({ file, line }: Pick<IFinding, 'file' | 'line'>): IPlace | null {
    const { _cells: cells, _path: path } = this;
    if (path === '' || line === null) {
      return null;
    }
    if (file !== this.code.filename) {
      const known = file in this.code.files;
      return known ? { path: directoryOf(path) + file, line, cell: null } : null;
    }
    if (cells === null) {
      return { path, line, cell: null };
    }
    const place = placeIn(cells, line);
    return place && { path, ...place };
  }

  /** The file that an error is about; empty when it names none. */
  fileOf({ field, message }: LabError): string {
    const { filename, files } = this.code;
    // Of what travels along, the message alone says which.
    const known = Object.keys(files).find(name => message.includes(`${name}, line`));
    return field === 'code.source' ? filename : (known ?? '');
  }

  /** What to do about a line; notebooks know what scripts do not. */
  hint({ file, line }: Pick<IFinding, 'file' | 'line'>, trans: TranslationBundle): string {
    const { filename, source } = this.code;
    return file === filename && line !== null && isNotebookOnly(source, line)
      ? trans.__('This works in a notebook only. Put it into a cell that does not run here.')
      : '';
  }
}

/**
 * The code that a draft means, as it stands now: edits that are not saved are in it.
 *
 * Rejects with a LabError when it cannot be read or there is none.
 */
export async function build(
  draft: IDraft,
  old: ISpec | null,
  sources: ISources,
  trans: TranslationBundle
): Promise<Built> {
  if (draft.code === 'same' && old !== null) {
    return new Built(old.code, '');
  }
  if (draft.code !== 'cells') {
    const { path } = draft;
    const source = await sources.read(path);
    return new Built(
      await withModules(path, source, path.slice(directoryOf(path).length), sources),
      path
    );
  }
  const path = draft.notebook;
  const notebook = sources.notebooks().find(notebook => notebook.path === path);
  if (notebook === undefined) {
    throw wrong(trans.__('%1 is not open any more.', path), trans.__('Open it and try again.'));
  }
  const cells = cellsOf(notebook, draft.cells as Cells);
  if (cells.length === 0) {
    throw draft.cells === 'tagged'
      ? wrong(
          trans.__('No cell of %1 has the tag %2.', path, TAG),
          trans.__('Add it to the cells that are to run, in the property inspector.')
        )
      : wrong(
          trans.__('No code cell of %1 is selected.', path),
          trans.__('Select the cells that are to run.')
        );
  }
  // With a hyphen it is no module's name: it hides none that is imported.
  const filename = `${nameFor(path) || 'notebook'}-cells.py`;
  return new Built(await withModules(path, scriptOf(cells), filename, sources), path, cells);
}

async function withModules(
  path: string,
  source: string,
  filename: string,
  sources: ISources
): Promise<ICode> {
  const files = await localModules(path, source, sources);
  return { kind: 'script', source, filename, module: '', args: [], files };
}

/** Empty, or with a slash at its end. */
function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

function wrong(message: string, hint: string): LabError {
  return new LabError(message, hint, 'invalid', 0, 'code.source');
}
