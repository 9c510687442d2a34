import type { HistoryApi } from '../historyapi';
import type { IComparison } from '../history';
import { isUnderWay } from '../specs';
import type { IDrawn } from './charts';
import { Live } from './live';

/** Some jobs beside each other; the first is what the others are compared with. */
export class CompareModel extends Live {
  constructor(
    private readonly _api: Pick<HistoryApi, 'compare'>,
    readonly ids: readonly string[]
  ) {
    super(`compare:${ids.join()}`);
  }

  /** Null until the first answer. */
  comparison: IComparison | null = null;

  /** Their curves, to be drawn together. The same object until something was read. */
  drawn: readonly IDrawn[] = [];

  protected async read(): Promise<boolean> {
    const comparison = await this._api.compare(this.ids);
    this.comparison = comparison;
    this.drawn = comparison.jobs.map((job, at) => ({
      label: job.id,
      began: job.started,
      curves: comparison.curves[at]?.curves ?? []
    }));
    return true;
  }

  protected pace(): number | null {
    const grows = this.comparison?.jobs.some(({ state }) => isUnderWay(state)) ?? true;
    return this.watched && grows && !this.error?.isGone ? 10_000 : null;
  }
}
