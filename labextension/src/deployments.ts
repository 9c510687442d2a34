import { ILayoutRestorer, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, InputDialog, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { LabFiles } from './files';
import { ILab } from './lab';
import { servingLabel } from './serveformat';
import { type IDeployment, MAX_REPLICAS } from './serving';
import { CommandIDs, PluginIDs } from './tokens';
import { showLabError } from './view/cancel';
import { confirmDelete } from './view/deletedialog';
import { deploymentActions } from './view/deployactions';
import { DeployFormTab } from './view/deployformtab';
import { DeploymentTab } from './view/deploytab';
import { deployIcon } from './view/icons';

export const deploymentsPlugin: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.deployments,
  description: 'Adds the tab of a deployment, the form for a new one and the commands about them.',
  autoStart: true,
  requires: [ILab],
  optional: [ILayoutRestorer, ICommandPalette],
  activate: (app, lab: ILab, restorer: ILayoutRestorer | null, palette: ICommandPalette | null) => {
    const { commands, shell } = app;
    const { api, deployments, models, trans } = lab;
    const tabs = new WidgetTracker<MainAreaWidget<DeploymentTab>>({
      namespace: 'dllab-deployment'
    });
    const forms = new WidgetTracker<MainAreaWidget<DeployFormTab>>({
      namespace: 'dllab-deployment-form'
    });
    const files = new LabFiles(app.serviceManager.contents, shell, trans);
    const actions = deploymentActions(commands);

    /** The name in `args`, else of the tab in front, else of the deployment that the person picks. */
    const which = async (
      args: ReadonlyPartialJSONObject,
      title: string
    ): Promise<string | null> => {
      if (typeof args.name === 'string' && args.name) {
        return args.name;
      }
      const front = tabs.currentWidget;
      if (front !== null && front === shell.currentWidget && !front.content.model.gone) {
        return front.content.model.name;
      }
      const all = (await api.deployments(500)).deployments;
      if (all.length === 0) {
        throw new Error(trans.__('There is no deployment.'));
      }
      const items = all.map(({ name, state }) => `${name} (${servingLabel(state, trans)})`);
      const { value } = await InputDialog.getItem({ title, items });
      return value === null ? null : (all[items.indexOf(value)]?.name ?? null);
    };

    const open = (name: string): MainAreaWidget<DeploymentTab> => {
      let tab = tabs.find(widget => widget.content.model.name === name);
      if (tab === undefined) {
        const content = new DeploymentTab({ api, name, deployments, models, actions, trans });
        tab = new MainAreaWidget({ content });
        tab.toolbar.hide();
        tab.id = `dllab-deployment-${name}`;
        tab.title.label = name;
        tab.title.caption = trans.__('Deployment %1', name);
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

    const scale = async (name: string, args: ReadonlyPartialJSONObject): Promise<void> => {
      let replicas = typeof args.replicas === 'number' ? args.replicas : null;
      if (replicas === null) {
        const now = await api.deployment(name);
        const { value } = await InputDialog.getNumber({
          title: trans.__('Replicas of %1, 1 to %2', name, MAX_REPLICAS),
          value: now.spec.replicas,
          okLabel: trans.__('Scale')
        });
        replicas = value;
      }
      if (replicas !== null) {
        await deployments.scale(name, replicas);
        tabs.find(widget => widget.content.model.name === name)?.content.model.refresh();
      }
    };

    const remove = async (name: string): Promise<void> => {
      const deployment = await api.deployment(name); // What is lost is said from what is known now.
      if (await confirmDelete(deployment, trans)) {
        await deployments.remove(name);
        tabs.find(widget => widget.content.model.name === name)?.dispose();
      }
    };

    const create = async (
      args: ReadonlyPartialJSONObject
    ): Promise<MainAreaWidget<DeployFormTab> | void> => {
      const changed = typeof args.deployment === 'string' ? args.deployment : '';
      let now: IDeployment | null = null;
      if (changed) {
        try {
          now = await api.deployment(changed);
        } catch (reason) {
          return showLabError(trans.__('The deployment cannot be changed'), reason, trans);
        }
      }
      const deployed = ({ name }: { name: string }) => {
        tab.dispose();
        open(name);
      };
      const content = new DeployFormTab({ api, models, deployments, files, deployed, trans });
      if (now !== null) {
        content.form.take(now);
      } else if (typeof args.model === 'string' && args.model) {
        content.form.set({ model: args.model });
      } else if (typeof args.path === 'string' && args.path) {
        content.form.set({ source: 'file', path: args.path });
      } else {
        // Who is quick opens it before it is known whether there is a model to serve.
        const begin = (): void => {
          if (models.models === null) {
            return;
          }
          models.changed.disconnect(begin);
          if (models.models.length === 0 && content.form.model === '' && !content.isDisposed) {
            content.form.set({ source: 'file' });
          }
        };
        models.changed.connect(begin);
        begin();
      }
      const tab = new MainAreaWidget({ content });
      tab.toolbar.hide();
      tab.title.label = now === null ? trans.__('New deployment') : trans.__('Change %1', changed);
      tab.title.caption = trans.__('The form for a new deployment');
      tab.title.icon = deployIcon;
      shell.add(tab, 'main');
      void forms.add(tab);
      content.form.changed.connect(() => void forms.save(tab));
      shell.activateById(tab.id);
      return tab;
    };

    const text = (description: string) => ({ type: 'string' as const, description });
    const name = text(trans.__('Name of the deployment; asked for when missing'));
    const category = trans.__('DL Lab');
    const add = (
      command: string,
      label: string,
      failed: string,
      execute: (name: string, args: ReadonlyPartialJSONObject) => unknown,
      more = {}
    ): void => {
      commands.addCommand(command, {
        label,
        describedBy: { args: { type: 'object', properties: { name, ...more } } },
        execute: async args => {
          try {
            const name = await which(args, label);
            return name === null ? undefined : await execute(name, args);
          } catch (reason) {
            return showLabError(failed, reason, trans);
          }
        }
      });
      palette?.addItem({ command, category });
    };
    commands.addCommand(CommandIDs.deploy, {
      label: trans.__('New Deployment…'),
      caption: trans.__('Serve a published model or a model file of your lab'),
      icon: deployIcon,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            deployment: text(trans.__('Name of a deployment that is to be changed')),
            model: text(trans.__('Name of a published model')),
            path: text(trans.__('Model file, from the root of the files'))
          }
        }
      },
      execute: create
    });
    palette?.addItem({ command: CommandIDs.deploy, category });
    add(
      CommandIDs.openDeployment,
      trans.__('Open Deployment…'),
      trans.__('The deployment cannot be opened'),
      open
    );
    add(
      CommandIDs.predict,
      trans.__('Try a Prediction…'),
      trans.__('The deployment cannot be opened'),
      name => {
        const tab = open(name);
        tab.content.view = 'predict';
        return tab;
      }
    );
    add(
      CommandIDs.scale,
      trans.__('Scale Deployment…'),
      trans.__('The deployment could not be scaled'),
      scale,
      { replicas: { type: 'integer', minimum: 1, maximum: MAX_REPLICAS } }
    );
    add(
      CommandIDs.deleteDeployment,
      trans.__('Delete Deployment…'),
      trans.__('The deployment could not be deleted'),
      remove
    );

    void restorer?.restore(tabs, {
      command: CommandIDs.openDeployment,
      args: widget => ({ name: widget.content.model.name }),
      name: widget => widget.content.model.name
    });
    void restorer?.restore(forms, {
      command: CommandIDs.deploy,
      args: ({ content: { form } }) =>
        form.source === 'file' ? { path: form.path } : { model: form.model },
      name: widget => widget.id
    });
  }
};
