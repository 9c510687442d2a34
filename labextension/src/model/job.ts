import type { LabApi } from '../api';
import type { IAnnotation } from '../history';
import { type IJob, type IReplica, isUnderWay } from '../specs';
import { Live } from './live';

/** One job, read until it has succeeded: what else became of it may be resumed from anywhere. */
export class JobModel extends Live {
  constructor(
    private readonly _api: LabApi,
    readonly id: string
  ) {
    super(`job:${id}`);
  }

  /** Null until the first answer. */
  job: IJob | null = null;

  /** Write something down about it. Rejects with a LabError. */
  async annotate(annotation: IAnnotation): Promise<void> {
    this.job = await this._api.history.annotate(this.id, annotation);
    this.announce();
  }

  protected async read(): Promise<boolean> {
    this.job = await this._api.job(this.id);
    return true;
  }

  protected pace(): number | null {
    const { state } = this.job ?? { state: 'PENDING' };
    if (!this.watched || this.error?.isGone || state === 'SUCCEEDED') {
      return null;
    }
    return isUnderWay(state) ? 1000 : 5000;
  }
}

/** The replica whose failure came first: the others were ended because of it. */
export function firstFailure(job: IJob): IReplica | null {
  const failed = job.replicas.filter(replica => replica.state === 'FAILED');
  failed.sort((a, b) => (a.ended ?? Infinity) - (b.ended ?? Infinity) || order(a) - order(b));
  return failed[0] ?? null;
}

/** The first of what failed at the same moment is the one that is named first. */
function order({ index, process }: IReplica): number {
  return index + (process ?? 0) / 1024;
}
