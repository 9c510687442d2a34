import type { HistoryApi } from '../historyapi';
import type { ICurves } from '../history';
import { Live } from './live';

/** Milliseconds between two reads: at least, at most, and for each point of the last answer. */
const SHORTEST = 2000;
const LONGEST = 15_000;
const EACH = 0.2;

/** The curves of one job. */
export class CurvesModel extends Live {
  constructor(
    private readonly _api: Pick<HistoryApi, 'curves'>,
    readonly id: string
  ) {
    super(`curves:${id}`);
  }

  /** Null until the first answer. */
  curves: ICurves | null = null;

  /** Whether the job is under way: its curves grow. */
  get grows(): boolean {
    return this._grows;
  }
  set grows(grows: boolean) {
    if (grows !== this._grows) {
      this._grows = grows;
      if (this.watched) {
        this.refresh(); // One read more: the end of a job is worth seeing.
      }
    }
  }

  protected async read(): Promise<boolean> {
    this.curves = await this._api.curves(this.id, 'all');
    const before = this._seen;
    this._seen = JSON.stringify([
      this.curves.read,
      this.curves.notes,
      this.curves.curves.map(({ name, replica, run, times }) => [
        name,
        replica,
        run,
        times.length,
        times[times.length - 1]
      ])
    ]);
    return before !== this._seen;
  }

  protected pace(): number | null {
    const { curves } = this;
    if (!this.watched || this.error?.isGone || !(this._grows || (curves?.read ?? 1) < 1)) {
      return null;
    }
    const points = curves?.curves.reduce((sum, { times }) => sum + times.length, 0) ?? 0;
    return Math.min(LONGEST, Math.max(SHORTEST, EACH * points));
  }

  private _grows = true;
  private _seen = '';
}
