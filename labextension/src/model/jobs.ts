import { type ISignal, Signal } from '@lumino/signaling';
import type { LabApi } from '../api';
import { type IJob, isTerminal, isUnderWay } from '../specs';
import { Live } from './live';

/** Jobs of one page. */
const PAGE = 20;

/** The person's jobs, newest first: the newest page and as many older ones as were asked for. */
export class JobsModel extends Live {
  constructor(private readonly _api: LabApi) {
    super('jobs');
  }

  /** Null until the first answer. */
  jobs: readonly IJob[] | null = null;

  /** Whether older jobs can be asked for. */
  get hasMore(): boolean {
    return this._next !== null;
  }

  /** How many of them wait or run. */
  get alive(): number {
    return (this.jobs ?? []).filter(job => isUnderWay(job.state)).length;
  }

  /** A job that was seen alive has ended. */
  get ended(): ISignal<this, IJob> {
    return this._ended;
  }

  /** A job that was seen alive is being launched again. */
  get restarted(): ISignal<this, IJob> {
    return this._restarted;
  }

  /** Nothing is heard any more of a job that was seen alive. */
  get stalled(): ISignal<this, IJob> {
    return this._stalled;
  }

  /** A job that was seen under way is paused. */
  get paused(): ISignal<this, IJob> {
    return this._paused;
  }

  /** Read one page more. Rejects with a LabError. */
  async showMore(): Promise<void> {
    const next = this._next;
    if (next === null) {
      return;
    }
    const page = await this._api.jobs(PAGE, next);
    if (next === this._next) {
      this._paged = true;
      this._next = page.next;
      this.jobs = merge(page.jobs, this.jobs ?? []);
      this.announce();
    }
  }

  /** Cancel a job. Rejects with a LabError. */
  cancel(id: string): Promise<void> {
    return this._change(this._api.cancel(id));
  }

  /** Pause a job. Rejects with a LabError. */
  pause(id: string): Promise<void> {
    return this._change(this._api.pause(id));
  }

  /** Have a job go on from its last checkpoint. Rejects with a LabError. */
  resume(id: string): Promise<void> {
    return this._change(this._api.resume(id));
  }

  protected async read(): Promise<boolean> {
    const head = await this._api.jobs(PAGE);
    const ids = new Set(head.jobs.map(job => job.id));
    const known = this.jobs ?? [];
    // Nothing in common: so much is new that there may be a hole between the two.
    const whole = head.next === null || !known.some(job => ids.has(job.id));
    const alive = whole ? [] : known.filter(job => !ids.has(job.id) && !isTerminal(job.state));
    const again = await Promise.all(alive.map(job => this._api.job(job.id)));
    if (whole) {
      this._paged = false;
    }
    if (!this._paged) {
      this._next = head.next;
    }
    const before = this._seen;
    this._take([...head.jobs, ...again], whole ? [] : undefined);
    this._seen = JSON.stringify([head, again]);
    // Lengths of time grow while a job lives.
    return before !== this._seen || this.alive > 0;
  }

  protected pace(): number | null {
    return this.watched ? (this.alive > 0 ? 1000 : 2000) : null;
  }

  /** Show at once what the server made of a job. */
  private async _change(answer: Promise<IJob>): Promise<void> {
    this._take([await answer]);
    this.announce();
    this.refresh();
  }

  /** Put fresh jobs in place of what was known of them and tell what happened to them. */
  private _take(fresh: readonly IJob[], known: readonly IJob[] = this.jobs ?? []): void {
    const before = new Map((this.jobs ?? []).map(job => [job.id, job]));
    this.jobs = merge(fresh, known);
    for (const job of fresh) {
      const old = before.get(job.id);
      if (old === undefined || isTerminal(old.state)) {
        continue;
      }
      if (isTerminal(job.state)) {
        this._ended.emit(job);
      } else if (job.state === 'PAUSED' && old.state !== 'PAUSED') {
        this._paused.emit(job);
      } else if (relaunched(old, job)) {
        this._restarted.emit(job);
      }
      if (job.silent_since !== null && old.silent_since === null && isUnderWay(job.state)) {
        this._stalled.emit(job);
      }
    }
  }

  private readonly _ended = new Signal<this, IJob>(this);
  private readonly _paused = new Signal<this, IJob>(this);
  private readonly _stalled = new Signal<this, IJob>(this);
  private readonly _restarted = new Signal<this, IJob>(this);
  private _next: string | null = null;
  private _paged = false;
  private _seen = '';
}

/** Whether a relaunch began between the two, which nobody asked for; each is true once. */
function relaunched(old: IJob, job: IJob): boolean {
  if (old.state === 'RESTARTING') {
    return job.attempt > old.attempt + 1;
  }
  return job.state === 'RESTARTING' || (old.state === 'RUNNING' && job.attempt > old.attempt);
}

/** Both lists as one, newest first; `fresh` wins. */
function merge(fresh: readonly IJob[], known: readonly IJob[]): IJob[] {
  const ids = new Set(fresh.map(job => job.id));
  return [...fresh, ...known.filter(job => !ids.has(job.id))].sort(
    (a, b) => b.created - a.created || (a.id < b.id ? 1 : -1)
  );
}
