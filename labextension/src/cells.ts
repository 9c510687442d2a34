import { ILabShell, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, Notification } from '@jupyterlab/apputils';
import type { Widget } from '@lumino/widgets';
import { ILab } from './lab';
import { toCell } from './model/cell';
import { asNotebook, insertCell } from './opened';
import { CommandIDs, PluginIDs } from './tokens';
import { showLabError } from './view/cancel';

export const cellsPlugin: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.cells,
  description: 'Puts a cell that makes the wish of a job again into a notebook.',
  autoStart: true,
  requires: [ILab],
  optional: [ILabShell],
  activate: (app, { api, trans }: ILab, labShell: ILabShell | null) => {
    const { commands, shell } = app;
    let last: Widget | null = null;
    labShell?.currentChanged.connect((_, { newValue }) => {
      // The tab of the job is in front when its button is pressed.
      if (newValue !== null && asNotebook(newValue) !== null) {
        last = newValue;
      }
    });
    /** The notebook that somebody worked in last, else any that is open. */
    const notebook = (): Widget | null => {
      if (last !== null && !last.isDisposed) {
        return last;
      }
      const open = [...shell.widgets('main')].filter(widget => asNotebook(widget) !== null);
      return open.find(widget => widget.isVisible) ?? open[0] ?? null;
    };

    commands.addCommand(CommandIDs.copyCell, {
      label: trans.__('Copy Training Job to Cell…'),
      caption: trans.__('Put a %1 cell that makes the same wish into the notebook', '%%train'),
      describedBy: {
        args: {
          type: 'object',
          properties: { id: { type: 'string', description: trans.__('Id of the job') } }
        }
      },
      isEnabled: args => typeof args.id === 'string',
      execute: async args => {
        try {
          const { spec } = await api.job(String(args.id));
          const cell = toCell(spec);
          const widget = notebook();
          if (widget !== null && insertCell(widget, cell)) {
            shell.activateById(widget.id);
          } else {
            Clipboard.copyToSystem(cell);
            Notification.info(trans.__('No notebook is open, so the cell was copied: paste it.'), {
              autoClose: 8000
            });
          }
        } catch (reason) {
          await showLabError(trans.__('The cell cannot be made'), reason, trans);
        }
      }
    });
  }
};
