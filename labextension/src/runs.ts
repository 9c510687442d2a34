import { ILayoutRestorer, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { bellIcon } from '@jupyterlab/ui-components';
import { ILab } from './lab';
import { MOST_COMPARED } from './model/runs';
import { CommandIDs, PluginIDs } from './tokens';
import { commandActions } from './view/actions';
import { CompareTab } from './view/comparetab';
import { HistoryTab } from './view/historytab';
import { historyIcon } from './view/icons';
import { NoticesTab } from './view/noticestab';

export const historyPlugin: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.history,
  description: 'Adds the list of all runs, their comparison, and how one is told of them.',
  autoStart: true,
  requires: [ILab],
  optional: [ILayoutRestorer, ICommandPalette],
  activate: (app, lab: ILab, restorer: ILayoutRestorer | null, palette: ICommandPalette | null) => {
    const { commands, shell } = app;
    const { api, trans } = lab;
    const actions = commandActions(commands);
    const lists = new WidgetTracker<MainAreaWidget<HistoryTab>>({ namespace: 'dllab-history' });
    const comparisons = new WidgetTracker<MainAreaWidget<CompareTab>>({
      namespace: 'dllab-compare'
    });
    const notices = new WidgetTracker<MainAreaWidget<NoticesTab>>({ namespace: 'dllab-notices' });

    const show = (
      tab: MainAreaWidget,
      id: string,
      label: string,
      caption: string,
      icon = historyIcon
    ) => {
      if (!tab.isAttached) {
        tab.id = id;
        tab.toolbar.hide();
        tab.title.label = label;
        tab.title.caption = caption;
        tab.title.icon = icon;
        shell.add(tab, 'main');
      }
      shell.activateById(tab.id);
    };
    const none = { args: { type: 'object' as const, properties: {} } };

    commands.addCommand(CommandIDs.history, {
      label: trans.__('All Training Runs'),
      caption: trans.__('Find, compare and tidy up every run there was'),
      icon: historyIcon,
      describedBy: none,
      execute: () => {
        const found = lists.find(() => true);
        const tab = found ?? new MainAreaWidget({ content: new HistoryTab(api, actions, trans) });
        show(tab, 'dllab-history', trans.__('All runs'), trans.__('Every run there was'));
        if (found === undefined) {
          void lists.add(tab);
        }
        return tab;
      }
    });

    commands.addCommand(CommandIDs.compare, {
      label: trans.__('Compare Training Runs…'),
      caption: trans.__('Show curves, settings and code of some runs beside each other'),
      describedBy: {
        args: {
          type: 'object',
          properties: {
            ids: {
              type: 'array',
              items: { type: 'string' },
              description: trans.__(
                '2 to %1 ids; the list of all runs opens when missing',
                MOST_COMPARED
              )
            }
          }
        }
      },
      execute: args => {
        const ids = Array.isArray(args.ids) ? args.ids.map(String) : [];
        if (ids.length < 2 || ids.length > MOST_COMPARED) {
          return commands.execute(CommandIDs.history);
        }
        const key = ids.join();
        const found = comparisons.find(({ content }) => content.model.ids.join() === key);
        const tab =
          found ?? new MainAreaWidget({ content: new CompareTab(api, ids, actions, trans) });
        show(
          tab,
          `dllab-compare-${key}`,
          trans.__('%1 runs', ids.length),
          trans.__('Comparison of %1', ids.join(', '))
        );
        if (found === undefined) {
          void comparisons.add(tab);
        }
        return tab;
      }
    });

    commands.addCommand(CommandIDs.notices, {
      label: trans.__('Notifications of Training Jobs…'),
      caption: trans.__('Have a webhook or an e-mail tell what became of your jobs'),
      describedBy: none,
      execute: () => {
        const found = notices.find(() => true);
        const tab = found ?? new MainAreaWidget({ content: new NoticesTab(api, trans) });
        show(
          tab,
          'dllab-notices',
          trans.__('Notifications'),
          trans.__('How you are told of what became of your jobs'),
          bellIcon
        );
        if (found === undefined) {
          void notices.add(tab);
        }
        return tab;
      }
    });

    for (const command of [CommandIDs.history, CommandIDs.compare, CommandIDs.notices]) {
      palette?.addItem({ command, category: trans.__('DL Lab') });
    }
    void restorer?.restore(lists, { command: CommandIDs.history, name: () => 'all' });
    void restorer?.restore(notices, { command: CommandIDs.notices, name: () => 'all' });
    void restorer?.restore(comparisons, {
      command: CommandIDs.compare,
      args: ({ content }) => ({ ids: [...content.model.ids] }),
      name: ({ content }) => content.model.ids.join()
    });
  }
};
