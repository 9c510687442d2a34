import type { TranslationBundle } from '@jupyterlab/translation';
import type { IKey } from './access';
import { duration } from './format';

const DAY = 86400;

/** Until when a key is good, as seen from now. */
export function expiryLabel({ expires }: IKey, now: number, trans: TranslationBundle): string {
  if (expires === null) {
    return trans.__('never');
  }
  const left = expires - now;
  // Days are rounded: a key for 30 of them has 30 left for a while.
  const told = left > 2 * DAY ? left + DAY / 2 : left;
  return left <= 0 ? trans.__('expired') : trans.__('in %1', duration(told, trans));
}
