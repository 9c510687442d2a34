/** How far back the history goes, seconds. */
export const WINDOW = 120;
/** Seconds of one point: samples that fall together are drawn as their mean. */
export const STEP = 2;

/** What is kept of one GPU at one time. */
export interface ISample {
  uuid: string;
  /** 0 to 1; null when the driver did not tell. */
  utilization: number | null;
}

/** Mean utilization of one GPU over a few seconds. */
export interface IPoint {
  /** When the step began, seconds since the epoch. */
  time: number;
  /** 0 to 1. */
  utilization: number;
}

/** The last minutes of all GPUs: enough for a line that is drawn small. */
export class GpuHistory {
  /** Add what was seen at one time; what was seen before is not counted twice. */
  add(time: number, samples: readonly ISample[]): void {
    if (this._times.has(time)) {
      return;
    }
    this._times.add(time);
    this._last = time; // Clocks can be put back, so this need not be the greatest.
    const step = Math.floor(time / STEP) * STEP;
    for (const { uuid, utilization } of samples) {
      if (utilization !== null) {
        const steps = this._gpus.get(uuid) ?? new Map<number, { sum: number; count: number }>();
        const { sum, count } = steps.get(step) ?? { sum: 0, count: 0 };
        steps.set(step, { sum: sum + utilization, count: count + 1 });
        this._gpus.set(uuid, steps);
      }
    }
    this._forget();
  }

  /** The points of one GPU, oldest first; a hole where nothing is known. */
  of(uuid: string): IPoint[] {
    return [...(this._gpus.get(uuid) ?? [])]
      .map(([time, { sum, count }]) => ({ time, utilization: sum / count }))
      .sort((a, b) => a.time - b.time);
  }

  private _forget(): void {
    const before = this._last - WINDOW;
    for (const time of this._times) {
      if (time < before) {
        this._times.delete(time);
      }
    }
    for (const [uuid, steps] of this._gpus) {
      for (const step of steps.keys()) {
        if (step < before) {
          steps.delete(step);
        }
      }
      if (steps.size === 0) {
        this._gpus.delete(uuid);
      }
    }
  }

  private readonly _gpus = new Map<string, Map<number, { sum: number; count: number }>>();
  private readonly _times = new Set<number>();
  private _last = 0;
}

/** Whether little is missing between two points that follow each other, `every` seconds apart. */
export function isJoined(before: IPoint, after: IPoint, every = STEP): boolean {
  return after.time - before.time <= 3 * every;
}
