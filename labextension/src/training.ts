import { ILayoutRestorer, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { CommandRegistry } from '@lumino/commands';
import { LabFiles, sourceInFront } from './files';
import { ILab } from './lab';
import type { IPlace } from './model/code';
import { sourceOf } from './model/draft';
import { cellsOf } from './model/notebook';
import type { TrainForm } from './model/trainform';
import { reveal } from './opened';
import type { IJob } from './specs';
import { CommandIDs, PluginIDs } from './tokens';
import { showLabError } from './view/cancel';
import { trainIcon } from './view/icons';
import { TrainTab } from './view/traintab';

export const trainingPlugin: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.training,
  description: 'Adds the form for a new training.',
  autoStart: true,
  requires: [ILab],
  optional: [ILayoutRestorer, ICommandPalette],
  activate: (app, lab: ILab, restorer: ILayoutRestorer | null, palette: ICommandPalette | null) => {
    const { commands, serviceManager, shell } = app;
    const { api, jobs, trans } = lab;
    const tracker = new WidgetTracker<MainAreaWidget<TrainTab>>({ namespace: 'dllab-training' });
    const sources = new LabFiles(serviceManager.contents, shell, trans);
    const openLogs = (id: string) => void commands.execute(CommandIDs.logs, { id });
    const submitted = ({ id }: IJob) => {
      jobs.refresh();
      openLogs(id);
    };

    const openPlace = (place: IPlace) =>
      void show(commands, place).catch(reason =>
        showLabError(trans.__('The line cannot be shown'), reason, trans)
      );
    /** What a new form begins with: the file, or the cells of the notebook. */
    const begin = (form: TrainForm, path: string) => {
      const notebook = sources.notebooks().find(notebook => notebook.path === path);
      if (notebook === undefined && !path.endsWith('.ipynb')) {
        form.set('path', path);
        return;
      }
      form.set('notebook', path);
      form.set('code', 'cells');
      if (notebook !== undefined && cellsOf(notebook, 'tagged').length > 0) {
        form.set('cells', 'tagged');
      }
    };

    commands.addCommand(CommandIDs.train, {
      label: trans.__('New Training…'),
      caption: trans.__('Train with a Python file or notebook of your lab, on one or more workers'),
      icon: trainIcon,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            path: {
              type: 'string',
              description: trans.__(
                'Python file or open notebook, from the root of the files; the one in front when missing'
              )
            },
            again: {
              type: 'string',
              description: trans.__('Id of a job that is run again, in place of a path')
            }
          }
        }
      },
      execute: async args => {
        const again = typeof args.again === 'string' ? args.again : '';
        const path = typeof args.path === 'string' ? args.path : sourceInFront(shell);
        const old = again === '' ? null : await api.job(again);
        const content = new TrainTab({
          api,
          sources,
          old,
          openLogs,
          openPlace,
          submitted,
          trans
        });
        if (old === null && path !== '') {
          begin(content.form, path);
        }
        const tab = new MainAreaWidget({ content });
        tab.toolbar.hide();
        tab.title.label =
          old === null ? trans.__('New training') : trans.__('%1 again', old.spec.name);
        tab.title.caption =
          old === null
            ? trans.__('The form for a new training')
            : trans.__('The form to run %1 again', old.id);
        tab.title.icon = trainIcon;
        shell.add(tab, 'main');
        void tracker.add(tab);
        content.form.changed.connect(() => void tracker.save(tab));
        shell.activateById(tab.id);
        return tab;
      }
    });
    palette?.addItem({ command: CommandIDs.train, category: trans.__('DL Lab') });

    void restorer?.restore(tracker, {
      command: CommandIDs.train,
      args: ({ content: { form } }) =>
        form.old === null ? { path: sourceOf(form.draft) } : { again: form.old.id },
      name: widget => widget.id
    });
  }
};

/** Open the file or notebook of a place, as a double click in the file browser does, at its line. */
async function show(commands: CommandRegistry, place: IPlace): Promise<void> {
  const widget = await commands.execute('docmanager:open', { path: place.path });
  // Where there is no such file any more JupyterLab has said so, and nothing is open.
  if (widget) {
    await widget.revealed;
    await reveal(widget, place);
  }
}
