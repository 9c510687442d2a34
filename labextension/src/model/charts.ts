import type { ICurve } from '../history';

/** What a number means, which says how it is written. */
export type Unit = 'number' | 'bytes' | 'ratio' | 'cpus';

/** What runs along a chart: training steps, or seconds since the job began. */
export type Axis = 'step' | 'time';

/** One line of a chart. */
export interface ISeries {
  /** What tells it from the others; empty when it is alone. */
  label: string;
  /** Place of its job among those that are compared; 0 for one job. */
  job: number;
  curve: ICurve;
}

/** What is drawn together: one number, of all who told it. */
export interface IChart {
  key: string;
  title: string;
  unit: Unit;
  /** Whether it is what was used, which has no steps. */
  isUse: boolean;
  series: ISeries[];
}

/** A job whose curves are drawn. */
export interface IDrawn {
  /** How it is called beside others; empty for one alone. */
  label: string;
  /** When it began, seconds since the epoch; null when it did not. */
  began: number | null;
  curves: readonly ICurve[];
}

/** Columns of numbers: what runs along, then each series. `undefined`: nothing was told there. */
export type Columns = [number[], ...(number | null | undefined)[][]];

const USE: Record<string, { title: string; unit: Unit }> = {
  cpu: { title: 'CPUs', unit: 'cpus' },
  memory: { title: 'Memory', unit: 'bytes' },
  gpu: { title: 'GPU', unit: 'ratio' },
  gpu_memory: { title: 'GPU memory', unit: 'bytes' }
};

/** The charts of one job, or of several beside each other: metrics first, by name. */
export function chartsOf(jobs: readonly IDrawn[]): IChart[] {
  const charts = new Map<string, IChart>();
  jobs.forEach(({ curves }, job) => {
    for (const curve of curves) {
      const isUse = curve.source === 'usage' || curve.source === 'gpu';
      const key = `${isUse ? 'use' : 'metric'}:${curve.name}`;
      const known = isUse ? USE[curve.name] : undefined;
      const chart = charts.get(key) ?? {
        key,
        title: known?.title ?? curve.name,
        unit: known?.unit ?? 'number',
        isUse,
        series: []
      };
      chart.series.push({ label: '', job, curve });
      charts.set(key, chart);
    }
  });
  const all = [...charts.values()];
  all.forEach(chart => name(chart, jobs));
  const order = Object.keys(USE);
  const place = ({ isUse, series: [{ curve }] }: IChart) =>
    isUse ? 1 + order.indexOf(curve.name) : 0;
  return all.sort((a, b) => place(a) - place(b) || a.title.localeCompare(b.title));
}

/** Give each series the words that tell it from the others. */
function name({ series }: IChart, jobs: readonly IDrawn[]): void {
  const differs = (read: (series: ISeries) => string) => new Set(series.map(read)).size > 1;
  const parts: ((series: ISeries) => string)[] = [
    ({ job }) => jobs[job].label,
    ({ curve }) => curve.run,
    ({ curve }) => curve.replica,
    ({ curve }) => (curve.source === 'tensorboard' ? 'TensorBoard' : 'report')
  ];
  // Where it came from matters only when nothing else tells two apart.
  const [job, run, replica, source] = parts.map(differs);
  const used = parts.filter((_, at) => [job, run, replica, false][at]);
  const words = (one: ISeries) =>
    used
      .map(part => part(one))
      .filter(Boolean)
      .join(' ');
  const told = new Set(series.map(words)).size === series.length;
  if (!told && source) {
    used.push(parts[3]);
  }
  series.forEach(one => (one.label = words(one)));
}

/** Whether the chart can be drawn along training steps. */
export function hasSteps({ series }: IChart): boolean {
  return series.some(({ curve }) => curve.steps.length > 0);
}

/** Where each point of a curve stands along the axis. */
function along(curve: ICurve, axis: Axis, began: number): readonly number[] {
  return axis === 'step' ? curve.steps : curve.times.map(time => time - began);
}

/**
 * The series of a chart as columns over one axis. What is not a finite number is null, a hole in the
 * line; of several points at one place the last one counts.
 *
 * @param began Of each job: what times are counted from.
 */
export function columnsOf(
  series: readonly ISeries[],
  axis: Axis,
  began: readonly number[],
  weight = 0
): Columns {
  const lines = series.map(({ curve, job }) => {
    const places = along(curve, axis, began[job] ?? 0);
    const values = smoothed(curve.values, weight);
    return new Map(places.map((place, at) => [place, values[at] ?? null]));
  });
  const places = [...new Set(lines.flatMap(line => [...line.keys()]))].sort((a, b) => a - b);
  return [places, ...lines.map(line => places.map(place => line.get(place)))];
}

/** Running mean of values: the larger the weight (below 1), the smoother. Holes stay holes. */
export function smoothed(
  values: readonly (number | null)[],
  weight: number
): readonly (number | null)[] {
  if (weight <= 0) {
    return values;
  }
  let mean = 0;
  let mass = 0;
  return values.map(value => {
    if (value === null) {
      return null;
    }
    mean = weight * mean + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    return mean / mass; // The first values are not drawn towards zero.
  });
}

/** Whether all that is told is above zero, so that it can be drawn on a logarithmic scale. */
export function canBeLog(columns: Columns): boolean {
  const [, ...lines] = columns;
  return lines.some(line => line.some(value => value != null && value > 0));
}

/** Columns for a logarithmic scale: what is not above zero has no place on it. */
export function forLog([places, ...lines]: Columns): Columns {
  return [
    places,
    ...lines.map(line => line.map(value => (value != null && value <= 0 ? null : value)))
  ];
}

/** What of a series is worth telling in a table. */
export interface ISummary {
  label: string;
  last: number | null;
  least: number | null;
  most: number | null;
  /** Step of the last value; null where there are none. */
  step: number | null;
  points: number;
}

/** A chart in numbers, for those who do not see it. */
export function summaryOf({ series }: IChart): ISummary[] {
  return series.map(({ label, curve: { values, steps } }) => {
    const known = values.filter((value): value is number => value !== null);
    return {
      label,
      last: values[values.length - 1] ?? null,
      least: known.length > 0 ? known.reduce((a, b) => Math.min(a, b)) : null,
      most: known.length > 0 ? known.reduce((a, b) => Math.max(a, b)) : null,
      step: steps[steps.length - 1] ?? null,
      points: values.length
    };
  });
}
