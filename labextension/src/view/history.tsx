import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { duration, quantity, stateLabel } from '../format';
import { gpuHours, type RunsModel } from '../model/runs';
import type { IJob } from '../specs';
import type { IJobActions } from './actions';
import { HistoryFilter } from './historyfilter';
import { HistoryTools, type IHistoryTools } from './historytools';
import { JobBadges } from './jobs';
import { Notice, Trouble } from './notice';
import { Badge, StateChip } from './state';

interface IProps {
  model: RunsModel;
  actions: IJobActions;
  tools: IHistoryTools;
  trans: TranslationBundle;
}

/** Every run there was, newest first. */
export function History({ model, actions, tools, trans }: IProps) {
  const { jobs, marked } = model;
  const isMarked = jobs !== null && jobs.length > 0 && marked.length === jobs.length;
  return (
    <>
      <div className="jp-dllab-History-head">
        <h2>{trans.__('All runs')}</h2>
        <HistoryFilter model={model} trans={trans} />
        <HistoryTools {...{ model, actions, tools, trans }} />
      </div>
      <Trouble model={model} trans={trans} />
      {jobs === null && model.error === null ? <Notice message={trans.__('Reading…')} /> : null}
      {jobs?.length === 0 ? <Notice message={trans.__('There is no such run.')} /> : null}
      {jobs !== null && jobs.length > 0 ? (
        <table className="jp-dllab-History" aria-label={trans.__('Runs, newest first')}>
          <thead>
            <tr>
              <th scope="col">
                <input
                  type="checkbox"
                  aria-label={trans.__('Mark all that are shown')}
                  checked={isMarked}
                  onChange={event => model.markAll(event.target.checked)}
                />
              </th>
              <th scope="col">{trans.__('Run')}</th>
              <th scope="col">{trans.__('State')}</th>
              <th scope="col">{trans.__('Submitted')}</th>
              <th scope="col">{trans.__('Time')}</th>
              <th scope="col">{trans.__('GPU-hours')}</th>
              <th scope="col">{trans.__('Result')}</th>
            </tr>
          </thead>
          <tbody>
            {jobs.map(job => (
              <Run
                key={job.id}
                job={job}
                isMarked={marked.includes(job.id)}
                {...{ model, actions, trans }}
              />
            ))}
          </tbody>
        </table>
      ) : null}
      {model.hasMore ? (
        <button
          type="button"
          className="jp-dllab-Button jp-dllab-more"
          onClick={() => model.showMore()}
        >
          {trans.__('Show more')}
        </button>
      ) : null}
    </>
  );
}

function Run(props: {
  job: IJob;
  isMarked: boolean;
  model: RunsModel;
  actions: IJobActions;
  trans: TranslationBundle;
}) {
  const { job, isMarked, model, actions, trans } = props;
  const now = Date.now() / 1000;
  const submitted = new Date(1000 * job.created);
  return (
    <tr data-run={job.id} aria-selected={isMarked}>
      <td>
        <input
          type="checkbox"
          aria-label={trans.__('Mark %1', job.id)}
          checked={isMarked}
          onChange={event => model.mark(job.id, event.target.checked)}
        />
      </td>
      <th scope="row">
        <button
          type="button"
          className="jp-dllab-Job-name"
          title={trans.__('Open %1', job.id)}
          onClick={() => actions.openLogs(job.id)}
        >
          {job.id}
        </button>
        {job.favourite ? (
          <span role="img" aria-label={trans.__('Favourite')} title={trans.__('Favourite')}>
            {' '}
            ★
          </span>
        ) : null}{' '}
        {job.tags.map(tag => (
          <React.Fragment key={tag}>
            <Badge kind="tag" label={tag} />{' '}
          </React.Fragment>
        ))}
        {job.files ? null : (
          <Badge
            kind="tag"
            label={trans.__('record only')}
            title={trans.__('Its files were removed, or it was imported')}
          />
        )}
        {job.notes ? (
          <div className="jp-dllab-dim jp-dllab-History-notes" title={job.notes}>
            {job.notes}
          </div>
        ) : null}
      </th>
      <td data-label={trans.__('State')}>
        <StateChip state={job.state} trans={trans} />{' '}
        <JobBadges job={job} now={now} trans={trans} />
      </td>
      <td data-label={trans.__('Submitted')}>
        <time dateTime={submitted.toISOString()}>
          {submitted.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' })}
        </time>
      </td>
      <td data-label={trans.__('Time')}>
        {job.started === null ? '–' : duration((job.ended ?? now) - job.started, trans)}
      </td>
      <td data-label={trans.__('GPU-hours')}>{gpuHours(job) || '–'}</td>
      <td data-label={trans.__('Result')} className="jp-dllab-History-result">
        {outcome(job, trans)}
      </td>
    </tr>
  );
}

/** What came of it: why it failed, else its last numbers. */
function outcome(job: IJob, trans: TranslationBundle): string {
  if (job.state === 'FAILED' || job.state === 'LOST') {
    return job.diagnosis?.message || job.reason || stateLabel(job.state, trans);
  }
  return Object.entries(job.progress?.metrics ?? {})
    .map(([name, value]) => `${name} ${quantity(value, 'number')}`)
    .join('  ');
}
