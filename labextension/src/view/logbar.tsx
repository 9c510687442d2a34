import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';
import { size } from '../format';
import type { JobModel } from '../model/job';
import type { LogModel } from '../model/log';
import { type IReplica, replicaName } from '../specs';
import { Trouble } from './notice';

interface IControlsProps {
  log: LogModel;
  follows: boolean;
  toggle: () => void;
  showEarlier: () => void;
  trans: TranslationBundle;
}

interface IProps extends IControlsProps {
  job: JobModel;
  /** Where all of the log can be had. */
  download: string;
  /** What the bar has besides. */
  children: React.ReactNode;
}

/** Which log of a job is shown, how far it is, and the way to the rest of it. */
export function LogBar({ job, download, children, ...controls }: IProps) {
  const { log, trans } = controls;
  const replicas = job.job?.replicas ?? [];
  const roles = [...new Set(replicas.map(replica => replica.role))];
  const attempts = Array.from({ length: log.newest }, (_, index) => index + 1);
  return (
    <LogControls {...controls}>
      <HTMLSelect
        aria-label={trans.__('Replica')}
        value={log.replica ?? ''}
        onChange={event => log.choose(event.target.value || null, log.attempt)}
      >
        <option value="">{trans.__('All replicas')}</option>
        {roles.length > 1
          ? roles.map(role => (
              <optgroup key={role} label={role}>
                {options(replicas.filter(replica => replica.role === role))}
              </optgroup>
            ))
          : options(replicas)}
      </HTMLSelect>
      <HTMLSelect
        aria-label={trans.__('Attempt')}
        value={String(log.attempt ?? '')}
        onChange={event => log.choose(log.replica, Number(event.target.value) || null)}
      >
        <option value="">{trans.__('Newest attempt')}</option>
        {attempts.map(attempt => (
          <option key={attempt} value={attempt}>
            {trans.__('Attempt %1', attempt)}
          </option>
        ))}
      </HTMLSelect>
      {children}
      <a
        className="jp-dllab-Button"
        href={download}
        download=""
        title={trans.__('Download all of this log as a file')}
      >
        {trans.__('Download')}
      </a>
    </LogControls>
  );
}

function options(replicas: readonly IReplica[]) {
  return replicas.map(replicaName).map(name => (
    <option key={name} value={name}>
      {name}
    </option>
  ));
}

/** What the bar above any log has, behind the choice of the log. */
export function LogControls(props: IControlsProps & { children: React.ReactNode }) {
  const { log, follows, toggle, showEarlier, trans, children } = props;
  return (
    <>
      <div className="jp-dllab-LogBar" role="toolbar" aria-label={trans.__('Log')}>
        {children}
        <span className="jp-dllab-dim jp-dllab-LogBar-status">{status(log, trans)}</span>
        <button
          type="button"
          className="jp-dllab-Button"
          aria-pressed={follows}
          title={trans.__('Keep the newest line in sight')}
          onClick={toggle}
        >
          {trans.__('Follow')}
        </button>
      </div>
      <Trouble model={log} trans={trans} />
      {log.first > 0 || log.buffer.dropped ? (
        <div className="jp-dllab-LogBar-earlier jp-dllab-dim">
          {log.hasEarlier ? (
            <button type="button" className="jp-dllab-Button" onClick={showEarlier}>
              {trans.__('Show earlier lines')}
            </button>
          ) : (
            earlier(log, trans)
          )}
        </div>
      ) : null}
    </>
  );
}

function status(log: LogModel, trans: TranslationBundle): string {
  if (log.newest === 0) {
    return trans.__('Nothing has been started yet.');
  }
  if (log.chunk === null) {
    return log.error === null ? trans.__('Reading…') : '';
  }
  const { complete, size: bytes } = log.chunk;
  if (log.isAway) {
    return trans.__('A part of %1', size(bytes));
  }
  if (complete) {
    return bytes === 0 ? trans.__('Nothing was written.') : trans.__('Complete, %1', size(bytes));
  }
  return bytes === 0 ? trans.__('Nothing written yet.') : trans.__('Live, %1', size(bytes));
}

function earlier(log: LogModel, trans: TranslationBundle): string {
  return log.buffer.dropped || log.chunk?.replica
    ? trans.__('Earlier lines are not shown: this view holds 1 MiB.')
    : trans.__('Earlier lines are not shown: choose one replica to read them.');
}
