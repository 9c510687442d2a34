import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { ago } from '../format';
import type { IEvent } from '../specs';
import { Notice } from './notice';

/** What happened, newest first. */
export function Events(props: { events: readonly IEvent[]; trans: TranslationBundle }) {
  const { events, trans } = props;
  if (events.length === 0) {
    return <Notice message={trans.__('Nothing has happened yet.')} />;
  }
  const now = Date.now() / 1000;
  return (
    <table className="jp-dllab-Replicas jp-dllab-Events">
      <thead>
        <tr>
          <th scope="col">{trans.__('When')}</th>
          <th scope="col">{trans.__('What')}</th>
          <th scope="col">{trans.__('In words')}</th>
        </tr>
      </thead>
      <tbody>
        {[...events].reverse().map(({ time, reason, message }, index) => (
          <tr key={events.length - index}>
            <td title={new Date(1000 * time).toLocaleString()}>{ago(time, now, trans)}</td>
            <td>{reason}</td>
            <td className="jp-dllab-Replicas-reason">{message}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
