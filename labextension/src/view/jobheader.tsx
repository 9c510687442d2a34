import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { secondsText } from '../amounts';
import { quantity } from '../format';
import type { BoardsModel } from '../model/boards';
import type { JobModel } from '../model/job';
import type { StacksModel } from '../model/stacks';
import type { IJob } from '../specs';
import {
  BoardButton,
  CancelButton,
  CellButton,
  type IJobActions,
  PauseButton,
  RerunButton
} from './actions';
import { Favourite, Tags } from './annotations';
import { Cause } from './cause';
import { facts, JobBadges, JobProgress } from './jobs';
import { Facts, Notice, Trouble } from './notice';
import { StateChip } from './state';

interface IProps {
  model: JobModel;
  boards: BoardsModel;
  actions: IJobActions;
  stacks: StacksModel;
  /** Show the log of a replica. */
  showLog: (replica: string, attempt: number | null) => void;
  trans: TranslationBundle;
}

/** What is known of one job in short: state, what is wrong, how far it has come. */
export function JobHeader({ model, boards, actions, stacks, showLog, trans }: IProps) {
  const { job } = model;
  if (job === null) {
    return model.error === null ? (
      <Notice message={trans.__('Reading…')} />
    ) : (
      <Trouble model={model} trans={trans} />
    );
  }
  const now = Date.now() / 1000;
  const props = { job, board: boards.of(job), actions, trans };
  return (
    <>
      <Trouble model={model} trans={trans} />
      <div className="jp-dllab-JobHeader-title">
        <Favourite model={model} trans={trans} />
        <h2>{job.id}</h2>
        <StateChip state={job.state} trans={trans} />
        <JobBadges job={job} now={now} trans={trans} />
        <div className="jp-dllab-actions">
          <BoardButton {...props} />
          <PauseButton {...props} />
          <RerunButton {...props} />
          <CellButton {...props} />
          <CancelButton {...props} />
        </div>
      </div>
      <Cause {...{ job, now, stacks, showLog, trans }} />
      {job.reason && !isExplained(job) ? (
        <p className="jp-dllab-JobHeader-reason">{job.reason}</p>
      ) : null}
      <JobProgress job={job} trans={trans} />
      <Facts facts={[...facts(job, now, trans), ...limits(job, trans), ...metrics(job)]} />
      <Tags model={model} trans={trans} />
    </>
  );
}

/** Whether what is wrong is said in other words already. */
function isExplained({ state, diagnosis, silent_since: silent }: IJob): boolean {
  return diagnosis !== null && (state === 'FAILED' || silent !== null);
}

/** What of the wish explains how long the job waits or runs. */
function limits({ spec }: IJob, trans: TranslationBundle): string[] {
  return [
    ...(spec.target ? [trans.__('on %1', spec.target)] : []),
    ...(spec.time_limit ? [trans.__('time limit %1', secondsText(spec.time_limit))] : []),
    ...(spec.priority ? [trans.__('priority %1', spec.priority)] : [])
  ];
}

/** The last scalar values that the code reported. */
function metrics(job: IJob): string[] {
  return Object.entries(job.progress?.metrics ?? {}).map(
    ([name, value]) => `${name} ${quantity(value, 'number')}`
  );
}
