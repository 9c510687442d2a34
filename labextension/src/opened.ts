import { DocumentWidget } from '@jupyterlab/docregistry';
import type { Widget } from '@lumino/widgets';
import type { IPlace } from './model/code';
import type { INotebook } from './model/notebook';

/** What is used of an editor. */
interface IEditor {
  focus(): void;
  setCursorPosition(position: { line: number; column: number }): void;
  revealPosition(position: { line: number; column: number }): void;
}

/** What is used of JupyterLab's notebook: its own package is large, and only names this. */
interface IOpenNotebook {
  activeCellIndex: number;
  readonly model: {
    readonly sharedModel: {
      insertCell(
        index: number,
        cell: { cell_type: 'code'; source: string; metadata: object }
      ): unknown;
    };
  } | null;
  readonly widgets: readonly IOpenCell[];
  isSelectedOrActive(cell: IOpenCell): boolean;
  scrollToItem(index: number): Promise<void>;
}

interface IOpenCell {
  /** Null while the cell is far out of sight. */
  readonly editor: IEditor | null;
  readonly model: {
    readonly type: string;
    readonly sharedModel: { getSource(): string };
    getMetadata(key: string): unknown;
  };
}

/** The notebook that a widget shows, as it stands there; null when it shows none. */
export function asNotebook(widget: Widget): INotebook | null {
  const content = contentOf(widget);
  if (!isNotebook(content) || !(widget instanceof DocumentWidget)) {
    return null;
  }
  return {
    path: widget.context.path,
    cells: content.widgets.flatMap((cell, index) =>
      cell.model.type !== 'code'
        ? []
        : [
            {
              number: index + 1,
              source: cell.model.sharedModel.getSource(),
              selected: content.isSelectedOrActive(cell),
              tags: tagsOf(cell)
            }
          ]
    )
  };
}

/** Put a code cell below the one that is active and go there; false where no notebook is shown. */
export function insertCell(widget: Widget, source: string): boolean {
  const content = contentOf(widget);
  if (!isNotebook(content) || content.model === null) {
    return false;
  }
  const index = content.widgets.length === 0 ? 0 : content.activeCellIndex + 1;
  content.model.sharedModel.insertCell(index, { cell_type: 'code', source, metadata: {} });
  content.activeCellIndex = index;
  void content.scrollToItem(index);
  return true;
}

/** Put the cursor where the place is, in the widget that shows its file; else leave it. */
export async function reveal(widget: Widget, { cell, line }: IPlace): Promise<void> {
  const content = contentOf(widget);
  let editor: IEditor | null = null;
  if (isNotebook(content) && cell !== null) {
    content.activeCellIndex = cell - 1;
    await content.scrollToItem(cell - 1);
    editor = content.widgets[cell - 1]?.editor ?? null;
  } else if (isRecord(content) && isRecord(content.editor)) {
    editor = content.editor as unknown as IEditor;
  }
  const position = { line: line - 1, column: 0 };
  editor?.setCursorPosition(position);
  editor?.revealPosition(position);
  editor?.focus();
}

function contentOf(widget: Widget): unknown {
  return widget instanceof DocumentWidget ? widget.content : null;
}

function isNotebook(content: unknown): content is IOpenNotebook {
  return (
    isRecord(content) &&
    typeof content.isSelectedOrActive === 'function' &&
    Array.isArray(content.widgets)
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function tagsOf(cell: IOpenCell): string[] {
  const tags = cell.model.getMetadata('tags');
  return Array.isArray(tags) ? tags.filter(tag => typeof tag === 'string') : [];
}
