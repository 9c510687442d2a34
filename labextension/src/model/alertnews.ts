import { type IAlert, isSilenced } from '../alertspecs';

/** Seconds after which an alert that is not there any more is forgotten. */
const DAY = 24 * 3600;
/** Seconds after which it is written down again that an alert is still there. */
const HOUR = 3600;

/** What is kept when the page is loaded again, as `localStorage`. */
export type Memory = Pick<Storage, 'getItem' | 'setItem'>;

/** What is new about the alerts. */
export interface IAlertNews {
  /** They fire, and the person has not been told. */
  begun: IAlert[];
  /** They fired and no longer do, or are silenced: whatever was said of them is no longer so. */
  over: IAlert[];
  hushed: IAlert[];
  /** Ids of those that are not told of any more at all. */
  gone: string[];
}

/**
 * Tells news from what was told before. An alert is told once each time it begins to fire, also when
 * the page is loaded again, the connection comes back or another tab has told it.
 */
export class AlertNews {
  /**
   * @param _memory What other tabs and later pages read as well.
   * @param place Of which lab and person the alerts are: several may share the memory.
   */
  constructor(
    private readonly _memory: Memory,
    place: string
  ) {
    this._name = `dllab-hub:told-alerts:${place}`;
  }

  /** What is new in `alerts`, all there are at `now`; `keep` says that it has been told. */
  take(alerts: readonly IAlert[], now: number): IAlertNews {
    const told = this._read(now);
    const news: IAlertNews = { begun: [], over: [], hushed: [], gone: [] };
    const active = new Set<string>();
    this._seen = [];
    for (const alert of alerts) {
      const key = `${alert.id}@${alert.fired}`;
      if (alert.state === 'firing' && !isSilenced(alert, now)) {
        active.add(alert.id);
        this._seen.push(key);
        if (!told.has(key)) {
          news.begun.push(alert);
        }
        continue;
      }
      if (told.has(key)) {
        this._seen.push(key); // After a silence it is no news.
      }
      if (this._active.has(alert.id)) {
        (alert.state === 'firing' ? news.hushed : news.over).push(alert);
      }
    }
    const known = new Set(alerts.map(({ id }) => id));
    news.gone = [...this._active].filter(id => !known.has(id));
    this._active = active;
    return news;
  }

  /** What was taken last has been told. What other tabs have told stays known. */
  keep(now: number): void {
    const told = this._read(now);
    const old = this._seen.filter(key => (told.get(key) ?? -Infinity) <= now - HOUR);
    if (old.length === 0) {
      return;
    }
    old.forEach(key => told.set(key, now));
    this._told = told;
    try {
      this._memory.setItem(this._name, JSON.stringify(Object.fromEntries(told)));
    } catch {
      // There is no room, or it is not allowed: the next page tells of them again, this one does not.
    }
  }

  /** When those that were told were last there, whoever told them. */
  private _read(now: number): Map<string, number> {
    let found: object = {};
    try {
      const parsed: unknown = JSON.parse(this._memory.getItem(this._name) ?? '{}');
      found = typeof parsed === 'object' && parsed !== null ? parsed : {};
    } catch {
      // Somebody else wrote there: what this page has told it knows by itself.
    }
    const all = new Map<string, number>();
    for (const [key, time] of [...this._told, ...Object.entries(found)]) {
      if (typeof time === 'number' && time > Math.max(now - DAY, all.get(key) ?? 0)) {
        all.set(key, time);
      }
    }
    return all;
  }

  private readonly _name: string;
  /** The same of this page alone: it may be that nothing can be written. */
  private _told = new Map<string, number>();
  /** Those of the last ones that are not to be told again. */
  private _seen: string[] = [];
  /** Ids of those that fired and were not silenced, the last time. */
  private _active = new Set<string>();
}
