import { ILayoutRestorer, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, InputDialog, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { ILab } from './lab';
import { CommandIDs, PluginIDs } from './tokens';
import { showLabError } from './view/cancel';
import { EndpointTab } from './view/endpointtab';
import { deployIcon } from './view/icons';

export const endpointsPlugin: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.endpoints,
  description: 'Adds the tab of a deployment that another person has opened.',
  autoStart: true,
  requires: [ILab],
  optional: [ILayoutRestorer, ICommandPalette],
  activate: (app, lab: ILab, restorer: ILayoutRestorer | null, palette: ICommandPalette | null) => {
    const { commands, shell } = app;
    const { api, trans, user } = lab;
    const tabs = new WidgetTracker<MainAreaWidget<EndpointTab>>({ namespace: 'dllab-endpoint' });

    const open = (owner: string, name: string): MainAreaWidget<EndpointTab> => {
      const isIt = ({ model }: EndpointTab) => model.owner === owner && model.name === name;
      let tab = tabs.find(({ content }) => isIt(content));
      if (tab === undefined) {
        tab = new MainAreaWidget({ content: new EndpointTab(api, owner, name, trans) });
        tab.toolbar.hide();
        tab.id = `dllab-endpoint-${owner}-${name}`;
        tab.title.label = `${owner}/${name}`;
        tab.title.caption = trans.__('Deployment %1 of %2', name, owner);
        tab.title.icon = deployIcon;
        void tabs.add(tab);
      } else {
        tab.content.model.refresh();
      }
      if (!tab.isAttached) {
        shell.add(tab, 'main');
      }
      shell.activateById(tab.id);
      return tab;
    };

    /** What another person has opened, picked by this one; null for none. */
    const pick = async (title: string): Promise<{ owner: string; name: string } | null> => {
      const me = await user;
      const { endpoints } = await api.access.endpoints(500);
      const others = endpoints.filter(({ owner }) => owner !== me);
      if (others.length === 0) {
        throw new Error(trans.__('Nobody has opened a deployment to you.'));
      }
      const items = others.map(({ owner, name }) => `${owner}/${name}`);
      const { value } = await InputDialog.getItem({ title, items });
      return value === null ? null : (others[items.indexOf(value)] ?? null);
    };

    const text = (description: string) => ({ type: 'string' as const, description });
    const label = trans.__('Open Shared Deployment…');
    commands.addCommand(CommandIDs.openEndpoint, {
      label,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            owner: text(trans.__('Whose it is')),
            name: text(trans.__('Name of the deployment; asked for when missing'))
          }
        }
      },
      execute: async ({ owner, name }) => {
        try {
          const which =
            typeof owner === 'string' && typeof name === 'string' && owner && name
              ? { owner, name }
              : await pick(label);
          return which === null ? undefined : open(which.owner, which.name);
        } catch (reason) {
          return showLabError(trans.__('The deployment cannot be opened'), reason, trans);
        }
      }
    });
    palette?.addItem({ command: CommandIDs.openEndpoint, category: trans.__('DL Lab') });
    void restorer?.restore(tabs, {
      command: CommandIDs.openEndpoint,
      args: ({ content: { model } }) => ({ owner: model.owner, name: model.name }),
      name: ({ content: { model } }) => `${model.owner}/${model.name}`
    });
  }
};
