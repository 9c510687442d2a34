import { ILayoutRestorer, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { alertActions } from './alertactions';
import { ILab } from './lab';
import { CommandIDs, PluginIDs } from './tokens';
import { commandActions } from './view/actions';
import { deploymentActions } from './view/deployactions';
import { labIcon } from './view/icons';
import { Sidebar } from './view/sidebar';

export const sidebarPlugin: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.sidebar,
  description: 'Adds the panel DL Lab to the left area.',
  autoStart: true,
  requires: [ILab],
  optional: [ILayoutRestorer, ICommandPalette, ITranslator],
  activate: (
    app,
    lab: ILab,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const { commands, shell } = app;
    const { trans } = lab;
    const sidebar = new Sidebar({
      ...lab,
      translator: translator ?? nullTranslator,
      actions: commandActions(commands),
      alertActions: alertActions(commands, lab.gpus, trans),
      serving: deploymentActions(commands)
    });
    void lab.servesNothing.then(() => sidebar.withoutModels());
    shell.add(sidebar, 'left', { rank: 550, type: 'DL Lab' });
    restorer?.add(sidebar, sidebar.id);

    commands.addCommand(CommandIDs.open, {
      label: trans.__('Show DL Lab'),
      caption: trans.__('Show GPUs, training jobs and models in the left area'),
      icon: labIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => shell.activateById(sidebar.id)
    });
    commands.addCommand(CommandIDs.refresh, {
      label: trans.__('Refresh GPUs, Training Jobs and Models'),
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () =>
        [
          lab.gpus,
          lab.alerts,
          lab.host,
          lab.jobs,
          lab.boards,
          lab.models,
          lab.deployments,
          lab.endpoints
        ].forEach(model => model.refresh())
    });
    for (const command of [CommandIDs.open, CommandIDs.refresh]) {
      palette?.addItem({ command, category: trans.__('DL Lab') });
    }
  }
};
