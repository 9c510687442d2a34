import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import * as React from 'react';
import { type IBoard, type IJob, isTerminal } from '../specs';
import { CommandIDs } from '../tokens';

/** What the buttons of a job do. */
export interface IJobActions {
  openLogs(id: string): void;
  openBoard(id: string): void;
  cancel(id: string): void;
  /** Open the form for a new one. */
  create(): void;
}

/** The commands of the palette as buttons. */
export function commandActions(commands: CommandRegistry): IJobActions {
  return {
    openLogs: id => void commands.execute(CommandIDs.logs, { id }),
    openBoard: id => void commands.execute(CommandIDs.board, { id }),
    cancel: id => void commands.execute(CommandIDs.cancel, { id }),
    create: () => void commands.execute(CommandIDs.train)
  };
}

interface IProps {
  job: IJob;
  board: IBoard | null;
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
export function BoardButton({ job, board, actions, trans }: IProps) {
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
