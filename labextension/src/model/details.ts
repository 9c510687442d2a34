import type { LabApi } from '../api';
import type { HistoryApi } from '../historyapi';
import type { IJobRecord } from '../history';
import type { IEvent } from '../specs';
import { Live } from './live';

/** What happened to one job. */
export class EventsModel extends Live {
  constructor(
    private readonly _api: Pick<LabApi, 'jobEvents'>,
    readonly id: string
  ) {
    super(`events:${id}`);
  }

  /** Oldest first. */
  events: readonly IEvent[] = [];

  /** Whether more may happen; once it may not they are read once more. */
  get grows(): boolean {
    return this._grows;
  }
  set grows(grows: boolean) {
    if (grows !== this._grows) {
      this._grows = grows;
      void (this.watched && this.refresh());
    }
  }

  /** When each attempt began, seconds since the epoch. */
  get attempts(): number[] {
    return this.events.filter(({ reason }) => reason === 'Started').map(({ time }) => time);
  }

  protected async read(): Promise<boolean> {
    const before = this.events.length;
    this.events = await this._api.jobEvents(this.id);
    return before !== this.events.length;
  }

  protected pace(): number | null {
    return this.watched && this._grows && !this.error?.isGone ? 5000 : null;
  }

  private _grows = true;
}

/** All that is known of one job. It may be large, so it is read only when somebody looks. */
export class RecordModel extends Live {
  constructor(
    private readonly _api: Pick<HistoryApi, 'record'>,
    readonly id: string
  ) {
    super(`record:${id}`);
  }

  /** Null until the first answer. */
  record: IJobRecord | null = null;

  protected async read(): Promise<boolean> {
    this.record = await this._api.record(this.id);
    return true;
  }

  protected pace(): number | null {
    return null;
  }
}
