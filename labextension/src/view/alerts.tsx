import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { type IAlert, isSilenced } from '../alertspecs';
import { messageOf, overText, severityLabel, when } from '../alerttext';
import type { AlertsModel } from '../model/alerts';
import { showLabError } from './cancel';
import { Trouble } from './notice';
import { SeverityIcon } from './severity';

/** Minutes for which a silence lasts. */
export const SILENCE = 60;

/** What can be done about an alert. */
export interface IAlertAction {
  label: string;
  execute: () => void;
}

/** What can be done about an alert beside silencing it. */
export type AlertActions = (alert: IAlert) => IAlertAction[];

/**
 * What is wrong now, and what was until a moment ago; nothing while all is well, and why where it
 * cannot be read.
 */
export function Alerts(props: {
  model: AlertsModel;
  /** Who looks; empty while it is not known. */
  user: string;
  actions: AlertActions;
  trans: TranslationBundle;
}) {
  const { model, user, trans } = props;
  const now = Date.now() / 1000;
  const shown = model.alerts.filter(({ state }) => state !== 'pending');
  const stale = model.error !== null;
  if (shown.length === 0) {
    return stale ? <Trouble model={model} trans={trans} /> : null;
  }
  const firing = shown.filter(({ state }) => state === 'firing');
  const over = shown.filter(({ state }) => state === 'resolved');
  return (
    <section
      className="jp-dllab-Alerts"
      data-stale={stale ? '' : undefined}
      aria-label={stale ? trans.__('Alerts, as they were last known') : trans.__('Alerts')}
    >
      <Trouble model={model} trans={trans} />
      <ul className="jp-dllab-list">
        {firing.map(alert => (
          <Firing key={alert.id} alert={alert} now={now} {...props} />
        ))}
        {over.map(alert => (
          <li key={alert.id} className="jp-dllab-Alert" data-state="resolved">
            <SeverityIcon severity="resolved" />
            <div>
              <p className="jp-dllab-dim">{overText(alert, user, now, trans)}</p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Firing(props: {
  alert: IAlert;
  now: number;
  model: AlertsModel;
  user: string;
  actions: AlertActions;
  trans: TranslationBundle;
}) {
  const { alert, now, model, user, actions, trans } = props;
  const { id, severity, hint, act } = alert;
  const message = messageOf(alert, user, trans);
  const silenced = isSilenced(alert, now);
  const silence = () =>
    void (silenced ? model.unsilence(id) : model.silence(id, SILENCE)).catch(reason =>
      showLabError(trans.__('The alert could not be changed'), reason, trans)
    );
  const buttons = [
    ...(silenced ? [] : actions(alert)),
    { label: silenced ? trans.__('Unsilence') : trans.__('Silence 1 h'), execute: silence }
  ];
  return (
    <li className="jp-dllab-Alert" data-state={silenced ? 'silenced' : 'firing'}>
      <SeverityIcon severity={severity} />
      <div>
        <p>
          <b>{trans.__('%1:', severityLabel(severity, trans))}</b> {message}
        </p>
        {hint && !silenced ? <p className="jp-dllab-dim">{hint}</p> : null}
        {act === null ? null : (
          <p className="jp-dllab-dim">
            {act.outcome === 'done'
              ? trans.__('Done by itself: %1', act.message)
              : trans.__('Tried by itself, and failed: %1', act.message)}
          </p>
        )}
        <div className="jp-dllab-actions">
          <span className="jp-dllab-facts">{when(alert, now, trans)}</span>
          {buttons.map(({ label, execute }) => (
            <button
              key={label}
              type="button"
              className="jp-dllab-Button"
              aria-label={trans.__('%1: %2', label, message)}
              onClick={execute}
            >
              {label}
            </button>
          ))}
        </div>
      </div>
    </li>
  );
}
