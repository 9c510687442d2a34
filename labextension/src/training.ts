import { ILayoutRestorer, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { LabFiles, scriptInFront } from './files';
import { ILab } from './lab';
import type { IJob } from './specs';
import { CommandIDs, PluginIDs } from './tokens';
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
    const files = new LabFiles(serviceManager.contents, shell, trans);
    const openLogs = (id: string) => void commands.execute(CommandIDs.logs, { id });
    const submitted = ({ id }: IJob) => {
      jobs.refresh();
      openLogs(id);
    };

    commands.addCommand(CommandIDs.train, {
      label: trans.__('New Training…'),
      caption: trans.__('Train with a Python file of your lab, on one or more workers'),
      icon: trainIcon,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            path: {
              type: 'string',
              description: trans.__(
                'Python file, from the root of the files; the one in front when missing'
              )
            }
          }
        }
      },
      execute: args => {
        const path = typeof args.path === 'string' ? args.path : scriptInFront(shell);
        const content = new TrainTab({ api, files, openLogs, submitted, trans });
        if (path) {
          content.form.set('path', path);
        }
        const tab = new MainAreaWidget({ content });
        tab.toolbar.hide();
        tab.title.label = trans.__('New training');
        tab.title.caption = trans.__('The form for a new training');
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
      args: widget => ({ path: widget.content.form.draft.path }),
      name: widget => widget.id
    });
  }
};
