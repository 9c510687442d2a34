import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { secondsText } from '../amounts';
import { duration } from '../format';
import { firstFailure, type JobModel } from '../model/job';
import type { BoardsModel } from '../model/boards';
import { type IJob, type IReplica, replicaName } from '../specs';
import { BoardButton, CancelButton, type IJobActions, PauseButton, RerunButton } from './actions';
import { facts, JobProgress } from './jobs';
import { Facts, Notice, Trouble } from './notice';
import { StateChip } from './state';

interface IProps {
  model: JobModel;
  boards: BoardsModel;
  actions: IJobActions;
  trans: TranslationBundle;
}

/** What is known of one job: state, cause of a failure, replicas. */
export function JobHeader({ model, boards, actions, trans }: IProps) {
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
        <h2>{job.id}</h2>
        <StateChip state={job.state} trans={trans} />
        <div className="jp-dllab-actions">
          <BoardButton {...props} />
          <PauseButton {...props} />
          <RerunButton {...props} />
          <CancelButton {...props} />
        </div>
      </div>
      {job.reason ? <p className="jp-dllab-JobHeader-reason">{job.reason}</p> : null}
      <JobProgress job={job} trans={trans} />
      <Facts facts={[...facts(job, now, trans), ...limits(job, trans), ...metrics(job)]} />
      <Failure job={job} trans={trans} />
      <Replicas job={job} now={now} trans={trans} />
    </>
  );
}

/** What of the wish explains how long the job waits or runs. */
function limits({ spec }: IJob, trans: TranslationBundle): string[] {
  return [
    ...(spec.time_limit ? [trans.__('time limit %1', secondsText(spec.time_limit))] : []),
    ...(spec.priority ? [trans.__('priority %1', spec.priority)] : [])
  ];
}

/** The last scalar values that the code reported. */
function metrics(job: IJob): string[] {
  return Object.entries(job.progress?.metrics ?? {}).map(
    ([name, value]) => `${name} ${Number(value.toPrecision(4))}`
  );
}

/** The replica that failed first, with its traceback. */
function Failure({ job, trans }: { job: IJob; trans: TranslationBundle }) {
  const failed = firstFailure(job);
  if (failed === null) {
    return null;
  }
  const summary = trans.__('%1 failed first: %2', replicaName(failed), result(failed, trans));
  if (!failed.traceback) {
    return <p className="jp-dllab-Failure">{summary}</p>;
  }
  return (
    <details className="jp-dllab-Failure" open>
      <summary>{summary}</summary>
      <pre tabIndex={0} aria-label={trans.__('Traceback of %1', replicaName(failed))}>
        {failed.traceback}
      </pre>
    </details>
  );
}

function Replicas(props: { job: IJob; now: number; trans: TranslationBundle }) {
  const { job, now, trans } = props;
  if (job.replicas.length === 0) {
    return null;
  }
  return (
    <table className="jp-dllab-Replicas">
      <caption>{trans.__('Replicas of attempt %1', job.attempt)}</caption>
      <thead>
        <tr>
          <th scope="col">{trans.__('Replica')}</th>
          <th scope="col">{trans.__('State')}</th>
          <th scope="col">{trans.__('Result')}</th>
          <th scope="col">{trans.__('Process id')}</th>
          <th scope="col">{trans.__('GPUs')}</th>
          <th scope="col">{trans.__('Time')}</th>
        </tr>
      </thead>
      <tbody>
        {job.replicas.map(replica => (
          <tr key={replicaName(replica)}>
            <th scope="row">{replicaName(replica)}</th>
            <td>
              <StateChip state={replica.state} trans={trans} />
            </td>
            <td>{result(replica, trans) || '–'}</td>
            <td>{replica.pid ?? '–'}</td>
            <td title={replica.gpus.join('\n')}>{replica.gpus.length || '–'}</td>
            <td>
              {replica.started === null
                ? '–'
                : duration((replica.ended ?? now) - replica.started, trans)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** How a replica ended; empty while it works. */
function result(replica: IReplica, trans: TranslationBundle): string {
  if (replica.stopped) {
    return trans.__('stopped by a signal, not dead');
  }
  if (replica.signal !== null) {
    return trans.__('ended by %1', replica.signal);
  }
  return replica.exit_code === null ? '' : trans.__('exit code %1', replica.exit_code);
}
