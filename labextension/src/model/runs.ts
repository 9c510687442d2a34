import type { HistoryApi } from '../historyapi';
import type { IJobFilter } from '../history';
import { type IJob, type IJobPage, isTerminal, type JobState } from '../specs';
import { Live } from './live';

/** Jobs of one page. */
const PAGE = 50;
/** Milliseconds between two reads, and before what was typed is looked for. */
const PACE = 10_000;
const TYPING = 250;
/** Milliseconds for which a page of what has ended is believed; only somebody who notes or removes changes it. */
const ENDED = 60_000;
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

/** A page as it was answered, and what it was asked after. */
interface IRead extends IJobPage {
  after: string | null;
  /** Milliseconds since the epoch. */
  time: number;
}

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
      super.refresh();
    }
  }

  /** Read all that is shown: somebody has done something with it, or looks again. */
  override refresh(): void {
    this._known = [];
    this._wants += 1;
    super.refresh();
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

  /** Read the first page, and of the others those that may be another now. */
  private async _readPages(): Promise<void> {
    const asked = this._wants;
    const { filter } = this;
    const known = this._known;
    const read: IRead[] = [];
    let after: string | null = null;
    for (let page = 0; page < this._pages; page++) {
      const old: IRead | undefined = page > 0 ? known[page] : undefined;
      if (old !== undefined && old.after === after && hasEnded(old)) {
        read.push(old);
      } else {
        const answer: IJobPage = await this._api.jobs(filter, PAGE, after);
        if (asked !== this._wants) {
          return;
        }
        read.push({ ...answer, after, time: Date.now() });
      }
      after = read[page].next;
      if (after === null) {
        break;
      }
    }
    // A job that came meanwhile moves the others down: they may be on two pages.
    this.jobs = [...new Map(read.flatMap(({ jobs }) => jobs.map(job => [job.id, job]))).values()];
    this._next = after;
    this._known = read;
  }

  private _wanted: IWanted = ALL;
  private _next: string | null = null;
  private _pages = 1;
  /** Counts what was wanted and done, so that a late answer is told apart. */
  private _wants = 0;
  private _typing: ReturnType<typeof setTimeout> | undefined;
  private _seen = '';
  /** What is shown, page by page; empty when all of it has to be read. */
  private _known: readonly IRead[] = [];
}

/** Whether a page is still as it was read. */
function hasEnded({ jobs, time }: IRead): boolean {
  return Date.now() - time < ENDED && jobs.every(({ state }) => isTerminal(state));
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
