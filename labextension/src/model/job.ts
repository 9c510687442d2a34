import type { LabApi } from '../api';
import { type IJob, type IReplica, isTerminal } from '../specs';
import { Live } from './live';

/** One job, read until it has ended. */
export class JobModel extends Live {
  constructor(
    private readonly _api: LabApi,
    readonly id: string
  ) {
    super(`job:${id}`);
  }

  /** Null until the first answer. */
  job: IJob | null = null;

  protected async read(): Promise<boolean> {
    this.job = await this._api.job(this.id);
    return true;
  }

  protected pace(): number | null {
    const gone = this.error?.isGone ?? false;
    const over = this.job !== null && isTerminal(this.job.state);
    return this.watched && !gone && !over ? 1000 : null;
  }
}

/** The replica whose failure came first: the others were ended because of it. */
export function firstFailure(job: IJob): IReplica | null {
  const failed = job.replicas.filter(replica => replica.state === 'FAILED');
  failed.sort((a, b) => (a.ended ?? Infinity) - (b.ended ?? Infinity) || a.index - b.index);
  return failed[0] ?? null;
}
