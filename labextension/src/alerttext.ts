/** Alerts in words. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { type IAlert, isSilenced, type Severity } from './alertspecs';
import { ago } from './format';

/** What is wrong, and whose it is where that is somebody else. */
export function messageOf(
  { message, owner }: IAlert,
  user: string,
  trans: TranslationBundle
): string {
  return user && owner && owner !== user ? trans.__('%1 (of %2)', message, owner) : message;
}

/** What was wrong, and when it was over. */
export function overText(
  alert: IAlert,
  user: string,
  now: number,
  trans: TranslationBundle
): string {
  const since = ago(alert.resolved ?? now, now, trans);
  return trans.__('Over, %1: %2', since, messageOf(alert, user, trans));
}

/** How long it has been so, or until when nobody is told. */
export function when(alert: IAlert, now: number, trans: TranslationBundle): string {
  const { silenced, fired, since } = alert;
  if (silenced !== null && isSilenced(alert, now)) {
    const until = new Date(1000 * silenced);
    const isToday = until.toDateString() === new Date(1000 * now).toDateString();
    const day = isToday ? {} : ({ month: 'short', day: 'numeric' } as const);
    const said = until.toLocaleString([], { ...day, hour: '2-digit', minute: '2-digit' });
    return trans.__('silenced until %1', said);
  }
  return ago(fired ?? since, now, trans);
}

export function severityLabel(severity: Severity, trans: TranslationBundle): string {
  switch (severity) {
    case 'critical':
      return trans.__('Critical');
    case 'warning':
      return trans.__('Warning');
    default:
      return trans.__('Note');
  }
}
