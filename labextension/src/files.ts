import { DocumentWidget } from '@jupyterlab/docregistry';
import { type Contents, ServerConnection } from '@jupyterlab/services';
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { TranslationBundle } from '@jupyterlab/translation';
import { LabError } from './errors';
import type { ISources } from './model/code';
import type { INotebook } from './model/notebook';
import { asNotebook } from './opened';

/** The files of the lab, through the contents manager, and what of them is open. */
export class LabFiles implements ISources {
  constructor(
    private readonly _contents: Contents.IManager,
    private readonly _shell: JupyterFrontEnd.IShell,
    private readonly _trans: TranslationBundle
  ) {}

  /** As it stands in the editor that has it open, else as it is stored. */
  async read(path: string): Promise<string> {
    for (const widget of this._shell.widgets('main')) {
      if (widget instanceof DocumentWidget && widget.context.path === path) {
        if (widget.context.isReady && widget.context.model.dirty) {
          return widget.context.model.toString();
        }
      }
    }
    const { content } = await this._get(path, { type: 'file', format: 'text', content: true });
    return String(content);
  }

  async list(path: string): Promise<readonly string[]> {
    const { content } = await this._get(path.replace(/\/+$/, ''), {
      type: 'directory',
      content: true
    });
    return (content as Contents.IModel[]).map(({ name, type }) =>
      type === 'directory' ? `${name}/` : name
    );
  }

  notebooks(): readonly INotebook[] {
    const found = new Map<string, INotebook>();
    for (const widget of this._shell.widgets('main')) {
      const notebook = asNotebook(widget);
      // Of two views the one in front says what is selected.
      if (notebook !== null && (widget.isVisible || !found.has(notebook.path))) {
        found.set(notebook.path, notebook);
      }
    }
    return [...found.values()];
  }

  private async _get(path: string, options: Contents.IFetchOptions): Promise<Contents.IModel> {
    const trans = this._trans;
    try {
      return await this._contents.get(path, options);
    } catch (reason) {
      const status = reason instanceof ServerConnection.ResponseError ? reason.response.status : 0;
      const message =
        status === 404
          ? trans.__('There is no %1 in your lab.', path)
          : status === 400
            ? trans.__('%1 is not a text file that can be read.', path)
            : trans.__('%1 cannot be read now.', path);
      throw new LabError(message, '', status === 404 ? 'not_found' : 'invalid', status, 'path');
    }
  }
}

/** What a training may be made of: the Python file or notebook in front, or an empty text. */
export function sourceInFront(shell: JupyterFrontEnd.IShell): string {
  const front = shell.currentWidget;
  const path = front instanceof DocumentWidget ? front.context.path : '';
  return path.endsWith('.py') || (front !== null && asNotebook(front) !== null) ? path : '';
}
