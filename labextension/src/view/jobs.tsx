import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { ago, checkpointLabel, count, duration, pace, rolesLabel, when } from '../format';
import type { BoardsModel } from '../model/boards';
import type { JobsModel } from '../model/jobs';
import { type IBoard, type IJob, isTerminal, isUnderWay, replicaName } from '../specs';
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
import { Badge, StateChip } from './state';

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
  const reason = job.diagnosis?.message || job.reason;
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
      <JobBadges job={job} now={now} trans={trans} />
      <JobProgress job={job} trans={trans} />
      <Facts facts={facts(job, now, trans)} />
      {reason && job.state !== 'SUCCEEDED' ? (
        <p className="jp-dllab-Job-reason" title={reason}>
          {reason}
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

/** What calls for attention: nothing is heard of it, or one of many holds up the others. */
export function JobBadges(props: { job: IJob; now: number; trans: TranslationBundle }) {
  const { job, now, trans } = props;
  const slow = job.replicas.filter(({ straggler }) => straggler).map(replicaName);
  const isOpen = isUnderWay(job.state);
  return (
    <>
      {isOpen && job.silent_since !== null ? (
        <Badge
          kind="error"
          label={trans.__('stalled')}
          title={trans.__('Heard of last %1', ago(job.silent_since, now, trans))}
        />
      ) : null}
      {isOpen && slow.length > 0 ? (
        <Badge
          kind="warning"
          label={trans._n('%2 is slow', '%1 replicas are slow', slow.length, slow[0])}
          title={trans.__('Slower than the others: %1', slow.join(', '))}
        />
      ) : null}
    </>
  );
}

/** Steps done, how fast they are and how long it takes, when the code reports them. */
export function JobProgress({ job, trans }: { job: IJob; trans: TranslationBundle }) {
  if (job.progress === null) {
    return null;
  }
  const { step, total, rate, eta } = job.progress;
  const isOpen = isUnderWay(job.state);
  const speed = [
    ...(isOpen && rate ? [pace(rate, trans)] : []),
    ...(isOpen && eta !== null ? [trans.__('%1 left', duration(eta, trans))] : [])
  ];
  if (!total) {
    return <Facts facts={[trans.__('step %1', count(step)), ...speed]} />;
  }
  return (
    <>
      <Bar
        role="progressbar"
        label={trans.__('Steps of %1', job.id)}
        ratio={step / total}
        text={trans.__('%1 / %2', count(step), count(total))}
      />
      {speed.length > 0 ? <Facts facts={speed} /> : null}
    </>
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
