import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { DeploymentsModel, ITurn } from './model/deployments';
import { newsOf } from './serveformat';

/**
 * Tell when a deployment becomes ready, degraded or fails; the newest word on a deployment takes
 * the place of the one before.
 *
 * @param deployments What is listened to.
 * @param wanted Whether the person wants to be told, asked each time.
 * @param open Shows a deployment.
 */
export function tellDeployments(
  deployments: DeploymentsModel,
  wanted: () => boolean,
  open: (name: string) => void,
  trans: TranslationBundle
): void {
  const told = new Map<string, string>();
  // When each one that sleeps was wished for: that a request wakes it is no news.
  const asleep = new Map<string, number>();
  const unsay = (name: string): void => {
    const id = told.get(name);
    told.delete(name);
    if (id !== undefined && Notification.manager.has(id)) {
      Notification.dismiss(id);
    }
  };
  // What was said of a deployment that is no more helps nobody.
  deployments.changed.connect(({ deployments: now }) => {
    const names = new Set(now?.map(({ name }) => name));
    [...told.keys()].filter(name => now !== null && !names.has(name)).forEach(unsay);
  });
  deployments.turned.connect((_, turn: ITurn) => {
    const news = newsOf(turn.deployment, turn.before, trans);
    const { name, state, updated } = turn.deployment;
    if (state === 'IDLE') {
      asleep.set(name, updated);
    }
    const woke = state === 'READY' && asleep.get(name) === updated;
    if (news === null || woke || !wanted()) {
      return;
    }
    unsay(name);
    const id = Notification.emit(news.message, news.type, {
      autoClose: news.type === 'error' ? false : 8000,
      actions: [{ label: trans.__('Open'), callback: () => open(name) }]
    });
    told.set(name, id);
  });
}
