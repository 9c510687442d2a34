import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import * as React from 'react';
import { count } from '../format';
import { type IBoard, type IJob, isResumable, isTerminal, isUnderWay } from '../specs';
import { CommandIDs } from '../tokens';

/** What the buttons of a job do. */
export interface IJobActions {
  openLogs(id: string): void;
  openBoard(id: string): void;
  cancel(id: string): void;
  pause(id: string): void;
  resume(id: string): void;
  /** Open the form with the same wish. */
  rerun(id: string): void;
  /** Put a cell that makes the same wish into the notebook. */
  copyCell(id: string): void;
  /** Open the list of all of them. */
  openHistory(): void;
  /** Show some beside each other. */
  compare(ids: readonly string[]): void;
  /** Open how the person is told of what became of them. */
  openNotices(): void;
  /** Open the form for a new one. */
  create(): void;
}

/** The commands of the palette as buttons. */
export function commandActions(commands: CommandRegistry): IJobActions {
  return {
    openLogs: id => void commands.execute(CommandIDs.logs, { id }),
    openBoard: id => void commands.execute(CommandIDs.board, { id }),
    cancel: id => void commands.execute(CommandIDs.cancel, { id }),
    pause: id => void commands.execute(CommandIDs.pause, { id }),
    resume: id => void commands.execute(CommandIDs.resume, { id }),
    rerun: id => void commands.execute(CommandIDs.rerun, { id }),
    copyCell: id => void commands.execute(CommandIDs.copyCell, { id }),
    openHistory: () => void commands.execute(CommandIDs.history),
    compare: ids => void commands.execute(CommandIDs.compare, { ids: [...ids] }),
    openNotices: () => void commands.execute(CommandIDs.notices),
    create: () => void commands.execute(CommandIDs.train)
  };
}

interface IProps {
  job: IJob;
  actions: IJobActions;
  trans: TranslationBundle;
}

export function LogsButton({ job, actions, trans }: IProps) {
  return (
    <button
      type="button"
      className="jp-dllab-Button"
      aria-label={trans.__('Logs of %1', job.id)}
      onClick={() => actions.openLogs(job.id)}
    >
      {trans.__('Logs')}
    </button>
  );
}

/** Can always be reached with the keyboard, so that the reason why it is off can be heard. */
export function BoardButton(props: IProps & { board: IBoard | null }) {
  const { job, board, actions, trans } = props;
  const title =
    board === null
      ? trans.__('No TensorBoard can be opened here: none runs for the event files of this job.')
      : trans.__('Open TensorBoard in a new browser tab');
  return (
    <button
      type="button"
      className="jp-dllab-Button"
      aria-disabled={board === null}
      aria-label={trans.__('TensorBoard of %1', job.id)}
      aria-description={title}
      title={title}
      onClick={() => board !== null && actions.openBoard(job.id)}
    >
      {trans.__('TensorBoard')}
    </button>
  );
}

export function CancelButton({ job, actions, trans }: IProps) {
  if (isTerminal(job.state)) {
    return null;
  }
  return (
    <button
      type="button"
      className="jp-dllab-Button"
      aria-label={trans.__('Cancel %1', job.id)}
      onClick={() => actions.cancel(job.id)}
    >
      {trans.__('Cancel')}
    </button>
  );
}

/** Pauses what is under way; lets go on what was paused or did not come to a good end. */
export function PauseButton({ job, actions, trans }: IProps) {
  if (isUnderWay(job.state)) {
    return (
      <button
        type="button"
        className="jp-dllab-Button"
        aria-label={trans.__('Pause %1', job.id)}
        onClick={() => actions.pause(job.id)}
      >
        {trans.__('Pause')}
      </button>
    );
  }
  if (!isResumable(job.state)) {
    return null;
  }
  const title =
    job.checkpoint === null
      ? trans.__('No checkpoint was seen: it starts over')
      : trans.__('Go on from step %1', count(job.checkpoint.step));
  return (
    <button
      type="button"
      className="jp-dllab-Button"
      aria-label={trans.__('Resume %1', job.id)}
      aria-description={title}
      title={title}
      onClick={() => actions.resume(job.id)}
    >
      {trans.__('Resume')}
    </button>
  );
}

export function RerunButton({ job, actions, trans }: IProps) {
  return (
    <button
      type="button"
      className="jp-dllab-Button"
      aria-label={trans.__('Run %1 again', job.id)}
      title={trans.__('Change something and run it as a new job')}
      onClick={() => actions.rerun(job.id)}
    >
      {trans.__('Run again')}
    </button>
  );
}

export function CellButton({ job, actions, trans }: IProps) {
  return (
    <button
      type="button"
      className="jp-dllab-Button"
      aria-label={trans.__('Copy %1 to a cell', job.id)}
      title={trans.__('Put a %1 cell that makes the same wish into the notebook', '%%train')}
      onClick={() => actions.copyCell(job.id)}
    >
      {trans.__('To cell')}
    </button>
  );
}
