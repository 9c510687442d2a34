import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IAlert } from './alertspecs';
import { messageOf } from './alerttext';
import { AlertNews } from './model/alertnews';
import type { AlertsModel } from './model/alerts';
import { type AlertActions, SILENCE } from './view/alerts';
import { showLabError } from './view/cancel';

/** Characters of a notification that JupyterLab shows. */
const ROOM = 140;
/** Milliseconds for which a word that is not critical stands. */
const STANDS = 15_000;

/**
 * Tell when an alert begins to fire, and when it is over.
 *
 * @param alerts What is listened to.
 * @param user Who is told.
 * @param place Address of the lab.
 * @param wanted Whether the person wants to be told, asked each time.
 * @param actions What an alert offers beside Silence.
 * @param show Shows the panel with all alerts.
 */
export function tellAlerts(
  alerts: AlertsModel,
  user: string,
  place: string,
  wanted: () => boolean,
  actions: AlertActions,
  show: () => void,
  trans: TranslationBundle
): void {
  const news = new AlertNews(localStorage, `${place} ${user}`);
  /** Notifications, by the alert. */
  const told = new Map<string, string>();

  const silence = (id: string) =>
    void alerts
      .silence(id, SILENCE)
      .catch(reason => showLabError(trans.__('The alert could not be changed'), reason, trans));
  const unsay = (id: string) => {
    const said = told.get(id);
    told.delete(id);
    if (said !== undefined && Notification.manager.has(said)) {
      Notification.dismiss(said);
    }
  };
  const begin = (alert: IAlert) => {
    const { id, severity, hint } = alert;
    const message = messageOf(alert, user, trans);
    const offers = actions(alert);
    unsay(id);
    const all = [message, hint].filter(part => part).join(' ');
    const said = Notification.emit(all.length <= ROOM ? all : message, typeOf(alert), {
      autoClose: severity === 'critical' ? false : STANDS,
      actions: [
        ...(offers.length > 0 ? offers : [{ label: trans.__('Show'), execute: show }]),
        { label: trans.__('Silence 1 h'), execute: () => silence(id) }
      ].map(({ label, execute }) => ({ label, callback: execute }))
    });
    told.set(id, said);
  };
  const end = (alert: IAlert) => {
    const { id } = alert;
    const said = told.get(id);
    told.delete(id);
    if (said !== undefined && Notification.manager.has(said)) {
      Notification.update({
        id: said,
        message: trans.__('Over: %1', messageOf(alert, user, trans)),
        type: 'success',
        autoClose: STANDS,
        actions: []
      });
    }
  };

  const update = () => {
    if (!alerts.known || !wanted()) {
      return;
    }
    const now = Date.now() / 1000;
    const { begun, over, hushed, gone } = news.take(alerts.alerts, now);
    gone.forEach(unsay);
    hushed.forEach(({ id }) => unsay(id));
    over.forEach(end);
    begun.forEach(begin);
    news.keep(now);
  };
  alerts.changed.connect(update);
  update();
}

function typeOf({ severity }: IAlert): Notification.TypeOptions {
  return severity === 'critical' ? 'error' : severity === 'warning' ? 'warning' : 'info';
}
