import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { count, duration, pace, size } from '../format';
import type { JobModel } from '../model/job';
import { type IReplica, isTerminal, replicaName } from '../specs';
import { Notice } from './notice';
import { Badge, StateChip } from './state';

/** What each replica of a job does, and how it ended. */
export function Replicas({ model, trans }: { model: JobModel; trans: TranslationBundle }) {
  const { job } = model;
  if (job === null || job.replicas.length === 0) {
    return (
      <Notice
        message={job === null ? trans.__('Reading…') : trans.__('Nothing was started yet.')}
      />
    );
  }
  const now = Date.now() / 1000;
  const has = (read: (replica: IReplica) => unknown) => job.replicas.some(one => read(one) != null);
  const columns = (
    [
      [trans.__('Step'), ({ step }) => (step === null ? null : count(step)), has(r => r.step)],
      [trans.__('Rate'), ({ rate }) => (rate ? pace(rate, trans) : null), has(r => r.rate)],
      [trans.__('CPUs'), ({ cpu }) => (cpu === null ? null : cpu.toFixed(2)), has(r => r.cpu)],
      [trans.__('Memory'), ({ memory }) => bytes(memory), has(r => r.memory)],
      [trans.__('Most memory'), ({ peak_memory: most }) => bytes(most), has(r => r.peak_memory)],
      [
        trans.__('GPUs'),
        ({ gpus }) => (gpus.length > 0 ? String(gpus.length) : null),
        has(r => r.gpus[0])
      ],
      [trans.__('Process id'), ({ pid }) => (pid === null ? null : String(pid)), has(r => r.pid)],
      [
        trans.__('Time'),
        ({ started, ended }) =>
          started === null ? null : duration((ended ?? now) - started, trans),
        true
      ]
    ] as [string, (replica: IReplica) => string | null, boolean][]
  ).filter(([, , isThere]) => isThere);
  return (
    <table className="jp-dllab-Replicas">
      <caption>
        {isTerminal(job.state) && job.attempt > 1
          ? trans.__('Replicas of the last attempt, %1', job.attempt)
          : trans.__('Replicas of attempt %1', job.attempt)}
      </caption>
      <thead>
        <tr>
          <th scope="col">{trans.__('Replica')}</th>
          <th scope="col">{trans.__('State')}</th>
          <th scope="col">{trans.__('Result')}</th>
          {columns.map(([label]) => (
            <th key={label} scope="col">
              {label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {job.replicas.map(replica => (
          <tr key={replicaName(replica)}>
            <th scope="row">{replicaName(replica)}</th>
            <td>
              <StateChip state={replica.state} trans={trans} />
            </td>
            <td>
              {replica.straggler ? (
                <Badge kind="warning" label={trans.__('slower than the others')} />
              ) : (
                result(replica, trans) || '–'
              )}
            </td>
            {columns.map(([label, read]) => (
              <td key={label}>{read(replica) ?? '–'}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** How a replica ended; empty while it works. */
export function result(replica: IReplica, trans: TranslationBundle): string {
  if (replica.stopped) {
    return trans.__('stopped by a signal, not dead');
  }
  if (replica.signal !== null) {
    return trans.__('ended by %1', replica.signal);
  }
  return replica.exit_code === null ? '' : trans.__('exit code %1', replica.exit_code);
}

function bytes(value: number | null): string | null {
  return value === null ? null : size(value);
}
