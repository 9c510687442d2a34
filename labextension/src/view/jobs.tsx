import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { checkpointLabel, count, rolesLabel, when } from '../format';
import type { BoardsModel } from '../model/boards';
import type { JobsModel } from '../model/jobs';
import { type IBoard, type IJob, isTerminal } from '../specs';
import {
  BoardButton,
  CancelButton,
  type IJobActions,
  LogsButton,
  PauseButton,
  RerunButton
} from './actions';
import { Bar } from './bar';
import { Facts, Notice, Trouble } from './notice';
import { StateChip } from './state';

interface IJobsProps {
  model: JobsModel;
  boards: BoardsModel;
  actions: IJobActions;
  showMore: () => void;
  trans: TranslationBundle;
}

/** The person's jobs, newest first. */
export function Jobs({ model, boards, actions, showMore, trans }: IJobsProps) {
  const { jobs } = model;
  const now = Date.now() / 1000;
  return (
    <div className="jp-dllab-Jobs">
      <Trouble model={model} trans={trans} />
      {jobs === null && model.error === null ? <Notice message={trans.__('Reading…')} /> : null}
      {jobs?.length === 0 && model.error === null ? (
        <Notice
          message={trans.__(
            'No training yet. Put this on top of a cell of your notebook and run it:'
          )}
        >
          <code className="jp-dllab-command">%%train --workers 2</code>
          <p className="jp-dllab-dim">{trans.__('Or train with a Python file of your lab:')}</p>
          <button type="button" className="jp-dllab-Button" onClick={() => actions.create()}>
            {trans.__('New training…')}
          </button>
        </Notice>
      ) : null}
      {jobs !== null && jobs.length > 0 ? (
        <ul className="jp-dllab-list" aria-label={trans.__('Training jobs, newest first')}>
          {jobs.map(job => (
            <JobRow
              key={job.id}
              job={job}
              board={boards.of(job)}
              actions={actions}
              now={now}
              trans={trans}
            />
          ))}
        </ul>
      ) : null}
      {model.hasMore ? (
        <button type="button" className="jp-dllab-Button jp-dllab-more" onClick={showMore}>
          {trans.__('Show more')}
        </button>
      ) : null}
    </div>
  );
}

interface IJobRowProps {
  job: IJob;
  board: IBoard | null;
  actions: IJobActions;
  now: number;
  trans: TranslationBundle;
}

function JobRow(props: IJobRowProps) {
  const { job, actions, now, trans } = props;
  return (
    <li className="jp-dllab-Job" data-job={job.id}>
      <div className="jp-dllab-Job-title">
        <button
          type="button"
          className="jp-dllab-Job-name"
          title={trans.__('Open %1', job.id)}
          onClick={() => actions.openLogs(job.id)}
        >
          {job.id.startsWith(job.spec.name) ? job.spec.name : job.id}
          <span className="jp-dllab-dim">
            {job.id.startsWith(job.spec.name) ? job.id.slice(job.spec.name.length) : ''}
          </span>
        </button>
        <StateChip state={job.state} trans={trans} />
      </div>
      <JobProgress job={job} trans={trans} />
      <Facts facts={facts(job, now, trans)} />
      {job.reason && job.state !== 'SUCCEEDED' ? (
        <p className="jp-dllab-Job-reason" title={job.reason}>
          {job.reason}
        </p>
      ) : null}
      <div className="jp-dllab-actions">
        <LogsButton {...props} />
        <BoardButton {...props} />
        <PauseButton {...props} />
        {isTerminal(job.state) ? <RerunButton {...props} /> : <CancelButton {...props} />}
      </div>
    </li>
  );
}

/** Steps done, when the code reports them. */
export function JobProgress({ job, trans }: { job: IJob; trans: TranslationBundle }) {
  if (job.progress === null) {
    return null;
  }
  const { step, total } = job.progress;
  if (!total) {
    return <p className="jp-dllab-facts">{trans.__('step %1', count(step))}</p>;
  }
  return (
    <Bar
      role="progressbar"
      label={trans.__('Steps of %1', job.id)}
      ratio={step / total}
      text={trans.__('%1 / %2', count(step), count(total))}
    />
  );
}

/** What is worth knowing of a job beside its state. */
export function facts(job: IJob, now: number, trans: TranslationBundle): string[] {
  const result = [when(job, now, trans)];
  if (job.position !== null) {
    result.push(
      job.position === 1
        ? trans.__('next in the queue')
        : trans.__('place %1 in the queue', job.position)
    );
  }
  result.push(rolesLabel(job.spec, trans));
  if (job.attempt > 1) {
    result.push(trans.__('attempt %1', job.attempt));
  }
  if (job.checkpoint !== null) {
    result.push(checkpointLabel(job.checkpoint, now, trans));
  }
  return result;
}
