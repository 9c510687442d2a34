import type { LabApi } from '../api';
import type { IGpuReport } from '../specs';
import { Live } from './live';

/** How far back the history goes, seconds. */
export const WINDOW = 60;

/** Utilization of one GPU at one time; null when the driver did not tell. */
export interface ISample {
  time: number;
  utilization: number | null;
}

/** The GPUs of the machine, and the last minute of their utilization. */
export class GpusModel extends Live {
  constructor(private readonly _api: LabApi) {
    super('gpus');
  }

  report: IGpuReport | null = null;

  /** The last minute of one GPU, oldest first. It survives closing the panel, with a gap. */
  history(uuid: string): readonly ISample[] {
    return this._history.get(uuid) ?? [];
  }

  protected async read(): Promise<boolean> {
    const before = this.report;
    this.report = await this._api.gpus();
    const { time, gpus } = this.report;
    if (before !== null && before.time === time && before.state === this.report.state) {
      return false;
    }
    for (const { uuid, utilization } of gpus) {
      const kept = this.history(uuid).filter(sample => sample.time > time - WINDOW);
      if (kept.length === 0 || kept[kept.length - 1].time < time) {
        kept.push({ time, utilization });
      }
      this._history.set(uuid, kept);
    }
    return true;
  }

  protected pace(): number | null {
    return this.watched ? 2000 : null;
  }

  private readonly _history = new Map<string, ISample[]>();
}
