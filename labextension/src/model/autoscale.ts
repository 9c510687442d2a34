import { type IAutoscale, MAX_REPLICAS } from '../serving';

/** The fields about following the load that an error can belong to; as the server calls them. */
export const SCALE_FIELDS = ['min', 'max', 'target', 'idle'] as const;
export type ScaleField = (typeof SCALE_FIELDS)[number];

/** How a deployment follows the load, as it is typed. */
export interface IScaleDraft extends Record<ScaleField, string> {
  signal: IAutoscale['signal'];
}

/** What the form begins with. */
export const SCALE: IScaleDraft = {
  min: '1',
  max: '4',
  signal: 'inflight',
  target: '4',
  idle: '10'
};

/** As `dllab_hub/specs/deployment.py` has it; idle is minutes here. */
const BOUNDS: Record<ScaleField, { least: number; most: number; whole: boolean }> = {
  min: { least: 0, most: MAX_REPLICAS, whole: true },
  max: { least: 1, most: MAX_REPLICAS, whole: true },
  target: { least: 0.1, most: 1000, whole: false },
  idle: { least: 0.2, most: 1440, whole: false }
};

/** The draft of a wish that there is. */
export function scaleDraft({ min, max, signal, target, idle }: IAutoscale): IScaleDraft {
  return { min: `${min}`, max: `${max}`, signal, target: `${target}`, idle: `${idle / 60}` };
}

/** The wish that a draft stands for; it has no flaw. */
export function scaleWish({ min, max, signal, target, idle }: IScaleDraft): IAutoscale {
  return {
    min: Number(min),
    max: Number(max),
    signal,
    target: Number(target),
    // What is not asked for is not sent wrong either.
    idle: Number(min) === 0 ? Math.round(60 * Number(idle)) : 60 * Number(SCALE.idle)
  };
}

/** The first field that cannot be sent as it is, and between what it must lie; else null. */
export function scaleFlaw(
  draft: IScaleDraft
): { field: ScaleField; least: number; most: number; whole: boolean } | null {
  for (const field of SCALE_FIELDS) {
    if (field === 'idle' && Number(draft.min) !== 0) {
      continue;
    }
    const bounds = { ...BOUNDS[field] };
    if (field === 'target' && draft.signal === 'gpu') {
      bounds.most = 1; // A share of a GPU's time.
    }
    if (field === 'max') {
      bounds.least = Math.max(1, Number(draft.min)); // Fewest comes first and is right by now.
    }
    const value = Number(draft[field]);
    const fits = value >= bounds.least && value <= bounds.most;
    if (draft[field].trim() === '' || !fits || (bounds.whole && !Number.isInteger(value))) {
      return { field, ...bounds };
    }
  }
  return null;
}
