import { ILayoutRestorer, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, InputDialog, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { stateLabel } from './format';
import { ILab } from './lab';
import { boardLink, boardsLink } from './model/boards';
import { type IJob, isResumable, isTerminal, isUnderWay, type JobState } from './specs';
import { CommandIDs, PluginIDs } from './tokens';
import { commandActions } from './view/actions';
import { confirmCancel, confirmPause, showLabError } from './view/cancel';
import { boardIcon, labIcon } from './view/icons';
import { JobTab } from './view/jobtab';

export const jobsPlugin: JupyterFrontEndPlugin<void> = {
  id: PluginIDs.jobs,
  description: 'Adds the tab of a training job and the commands about jobs.',
  autoStart: true,
  requires: [ILab],
  optional: [ILayoutRestorer, ICommandPalette],
  activate: (app, lab: ILab, restorer: ILayoutRestorer | null, palette: ICommandPalette | null) => {
    const { commands, shell } = app;
    const { api, boards, jobs, logs, address, trans } = lab;
    const tracker = new WidgetTracker<MainAreaWidget<JobTab>>({ namespace: 'dllab-job' });
    const actions = commandActions(commands);

    /** The id in `args`, else of the tab in front, else of the job that the person picks. */
    const which = async (
      args: ReadonlyPartialJSONObject,
      title: string,
      fits: (job: IJob) => boolean
    ): Promise<string | null> => {
      if (typeof args.id === 'string' && args.id) {
        return args.id;
      }
      const front = tracker.currentWidget;
      if (front !== null && front === shell.currentWidget && front.content.job.job !== null) {
        if (fits(front.content.job.job)) {
          return front.content.job.id;
        }
      }
      const fitting = (await api.jobs(100)).jobs.filter(fits);
      if (fitting.length === 0) {
        throw new Error(trans.__('There is no such job.'));
      }
      const items = fitting.map(job => `${job.id} (${stateLabel(job.state, trans)})`);
      const { value } = await InputDialog.getItem({ title, items });
      return value === null ? null : (fitting[items.indexOf(value)]?.id ?? null);
    };

    const openLogs = (id: string): MainAreaWidget<JobTab> => {
      let tab = tracker.find(widget => widget.content.job.id === id);
      if (tab === undefined) {
        const content = new JobTab({ api, id, boards, logs, address, actions, trans });
        tab = new MainAreaWidget({ content });
        tab.toolbar.hide();
        tab.id = `dllab-job-${id}`;
        tab.title.label = id;
        tab.title.caption = trans.__('Training job %1', id);
        tab.title.icon = labIcon;
        void tracker.add(tab);
      }
      if (!tab.isAttached) {
        shell.add(tab, 'main');
      }
      shell.activateById(tab.id);
      return tab;
    };

    const openBoard = async (id: string): Promise<void> => {
      // A window may only be opened by the click itself, so no request comes before it.
      const job = jobs.jobs?.find(job => job.id === id) ?? (await api.job(id));
      if (boards.of(job) === null) {
        boards.boards = await api.boards();
      }
      const board = boards.of(job);
      const link = board && boardLink(board, job, app.serviceManager.serverSettings.baseUrl);
      if (!link) {
        throw new Error(trans.__('No TensorBoard runs for the event files of %1.', id));
      }
      window.open(link, '_blank', 'noopener');
    };

    const openBoards = async (): Promise<void> => {
      const known = boards.boards.length > 0 ? boards.boards : await api.boards();
      const link = boardsLink(known, app.serviceManager.serverSettings.baseUrl);
      if (link === null) {
        throw new Error(trans.__('No TensorBoard runs in this lab.'));
      }
      window.open(link, '_blank', 'noopener');
    };

    /** Ask first where something may be lost: what, is said from what is known now. */
    const change = async (
      id: string,
      fits: (state: JobState) => boolean,
      confirm: (job: IJob) => Promise<boolean>,
      carryOut: (id: string) => Promise<void>
    ): Promise<void> => {
      const job = await api.job(id);
      if (fits(job.state) && (await confirm(job))) {
        await carryOut(id);
      } else {
        jobs.refresh();
      }
      tracker.find(widget => widget.content.job.id === id)?.content.job.refresh();
    };
    const isOpen = (state: JobState) => !isTerminal(state);

    const args = {
      type: 'object' as const,
      properties: {
        id: {
          type: 'string' as const,
          description: trans.__('Id of the job; asked for when missing')
        }
      }
    };
    const add = (
      command: string,
      label: string,
      failed: string,
      fits: (job: IJob) => boolean,
      execute: (id: string) => unknown
    ): void => {
      commands.addCommand(command, {
        label,
        describedBy: { args },
        execute: async args => {
          try {
            const id = await which(args, label, fits);
            return id === null ? undefined : await execute(id);
          } catch (reason) {
            return showLabError(failed, reason, trans);
          }
        }
      });
      palette?.addItem({ command, category: trans.__('DL Lab') });
    };
    add(
      CommandIDs.logs,
      trans.__('Open Logs of Training Job…'),
      trans.__('The logs cannot be opened'),
      () => true,
      openLogs
    );
    add(
      CommandIDs.cancel,
      trans.__('Cancel Training Job…'),
      trans.__('The job could not be cancelled'),
      job => isOpen(job.state),
      id =>
        change(
          id,
          isOpen,
          job => confirmCancel(job, trans),
          id => jobs.cancel(id)
        )
    );
    add(
      CommandIDs.pause,
      trans.__('Pause Training Job…'),
      trans.__('The job could not be paused'),
      job => isUnderWay(job.state),
      id =>
        change(
          id,
          isUnderWay,
          job => confirmPause(job, trans),
          id => jobs.pause(id)
        )
    );
    add(
      CommandIDs.resume,
      trans.__('Resume Training Job…'),
      trans.__('The job could not be resumed'),
      job => isResumable(job.state),
      id =>
        change(
          id,
          isResumable,
          async () => true,
          id => jobs.resume(id)
        )
    );
    add(
      CommandIDs.rerun,
      trans.__('Run Training Job Again…'),
      trans.__('The form cannot be opened'),
      () => true,
      id => commands.execute(CommandIDs.train, { again: id })
    );
    add(
      CommandIDs.board,
      trans.__('Open TensorBoard of Training Job…'),
      trans.__('TensorBoard cannot be opened'),
      () => true,
      openBoard
    );

    commands.addCommand(CommandIDs.boards, {
      label: trans.__('TensorBoard'),
      caption: trans.__('Show the curves of all jobs in a new browser tab'),
      icon: boardIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () =>
        openBoards().catch(reason =>
          showLabError(trans.__('TensorBoard cannot be opened'), reason, trans)
        )
    });
    palette?.addItem({ command: CommandIDs.boards, category: trans.__('DL Lab') });

    void restorer?.restore(tracker, {
      command: CommandIDs.logs,
      args: widget => ({ id: widget.content.job.id }),
      name: widget => widget.content.job.id
    });
  }
};
