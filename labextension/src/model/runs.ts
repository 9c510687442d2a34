import type { HistoryApi } from '../historyapi';
import type { IJobFilter } from '../history';
import { type IJob, isTerminal, type JobState } from '../specs';
import { Live } from './live';

/** Jobs of one page. */
const PAGE = 50;
/** Milliseconds between two reads, and before what was typed is looked for. */
const PACE = 10_000;
const TYPING = 250;
/** Jobs that one comparison holds. */
export const MOST_COMPARED = 8;

/** Which jobs are wanted, as a person says it; what is empty does not matter. */
export interface IWanted {
  text: string;
  state: JobState | '';
  name: string;
  tag: string;
  /** Submitted within so many days. */
  days: string;
  favourite: boolean;
}

export const ALL: IWanted = { text: '', state: '', name: '', tag: '', days: '', favourite: false };

/** Every job there was, newest first, as far as it fits a filter; and those that are marked. */
export class RunsModel extends Live {
  constructor(private readonly _api: Pick<HistoryApi, 'jobs'>) {
    super('history');
  }

  /** Null until the first answer. */
  jobs: readonly IJob[] | null = null;

  /** Ids of those that are marked, in the order in which that was done. */
  marked: readonly string[] = [];

  get wanted(): Readonly<IWanted> {
    return this._wanted;
  }

  get hasMore(): boolean {
    return this._next !== null;
  }

  /** What the server is asked for. */
  get filter(): Partial<IJobFilter> {
    const { text, state, name, tag, days, favourite } = this._wanted;
    return {
      text: text.trim() || null,
      state: state === '' ? [] : [state],
      name: name.trim() || null,
      tag: tag.trim() || null,
      since: days === '' ? null : Math.floor(Date.now() / 1000 - 86400 * Number(days)),
      favourite
    };
  }

  /** Of those that are marked, what is known of them. */
  get chosen(): IJob[] {
    return this.marked.flatMap(id => this.jobs?.find(job => job.id === id) ?? []);
  }

  /** Want others. What is typed is looked for when nobody types any more. */
  want(change: Partial<IWanted>): void {
    this._wanted = { ...this._wanted, ...change };
    this._wants += 1;
    this._pages = 1;
    clearTimeout(this._typing);
    this._typing = setTimeout(() => this.refresh(), TYPING);
    this.announce();
  }

  mark(id: string, isMarked: boolean): void {
    const others = this.marked.filter(other => other !== id);
    this.marked = isMarked ? [...others, id] : others;
    this.announce();
  }

  /** Mark all that are shown, or none. */
  markAll(areMarked: boolean): void {
    this.marked = areMarked ? (this.jobs ?? []).map(({ id }) => id) : [];
    this.announce();
  }

  showMore(): void {
    if (this._next !== null) {
      this._pages += 1;
      this.refresh();
    }
  }

  override dispose(): void {
    clearTimeout(this._typing);
    super.dispose();
  }

  protected async read(): Promise<boolean> {
    const before = this._seen;
    let asked: number;
    do {
      asked = this._wants;
      await this._readPages();
    } while (asked !== this._wants);
    this.marked = this.marked.filter(id => this.jobs!.some(job => job.id === id));
    this._seen = JSON.stringify([this.jobs, this._next]);
    return before !== this._seen;
  }

  protected pace(): number | null {
    return this.watched ? PACE : null;
  }

  private async _readPages(): Promise<void> {
    const asked = this._wants;
    const { filter } = this;
    const jobs = new Map<string, IJob>();
    let next: string | null = null;
    for (let page = 0; page < this._pages; page++) {
      const answer: { jobs: IJob[]; next: string | null } = await this._api.jobs(
        filter,
        PAGE,
        next
      );
      if (asked !== this._wants) {
        return;
      }
      // A job that came meanwhile moves the others down: they may be on two pages.
      answer.jobs.forEach(job => jobs.set(job.id, job));
      next = answer.next;
      if (next === null) {
        break;
      }
    }
    this.jobs = [...jobs.values()];
    this._next = next;
  }

  private _wanted: IWanted = ALL;
  private _next: string | null = null;
  private _pages = 1;
  /** Counts what was wanted, so that a late answer is told apart. */
  private _wants = 0;
  private _typing: ReturnType<typeof setTimeout> | undefined;
  private _seen = '';
}

/** Whether a job's files or the job itself can be removed. */
export function isRemovable({ state }: IJob): boolean {
  return isTerminal(state);
}

/** GPU-hours with as many digits as are worth reading. */
export function gpuHours({ gpu_seconds: seconds }: IJob): string {
  const hours = seconds / 3600;
  return hours === 0 ? '' : hours < 0.01 ? '< 0.01' : hours.toFixed(hours < 10 ? 2 : 1);
}
