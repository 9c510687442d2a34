import type { IGpu } from '../gpuspecs';

/** Share of the time from which on a GPU counts as busy. */
const BUSY = 0.05;

/** A GPU, and the slices of it that are shown with it. */
export interface IGpuEntry {
  gpu: IGpu;
  slices: IGpu[];
}

/** The GPUs of a report by what they are to one person. */
export interface IGpuGroups {
  /** Held by labs, jobs and deployments of this person. */
  mine: IGpuEntry[];
  /** Those of whoever has a name, while it is not known which name is this person's. */
  held: IGpuEntry[];
  free: IGpuEntry[];
  /** Given to nobody until they are healthy again, or not to be read. */
  out: IGpuEntry[];
  others: IGpuEntry[];
}

/** Other people's GPUs in numbers; null where a part of it is not known. */
export interface ITotals {
  count: number;
  busy: number | null;
  used: number | null;
  total: number | null;
}

/**
 * Sort the GPUs of a report; each slice belongs to the group of its own holder, and a GPU that is
 * divided stands above the first of its slices.
 *
 * @param user Who looks; empty while it is not known. Other people's things have no owner, except for
 *   an administrator.
 */
export function groupsOf(gpus: readonly IGpu[], user: string): IGpuGroups {
  const groups: IGpuGroups = { mine: [], held: [], free: [], out: [], others: [] };
  const slices = new Map<string, IGpu[]>();
  for (const gpu of gpus) {
    if (isSlice(gpu)) {
      const key = placeOf(gpu);
      slices.set(key, [...(slices.get(key) ?? []), gpu]);
    }
  }
  const placed = new Set<IGpu>();
  for (const gpu of gpus) {
    if (placed.has(gpu)) {
      continue;
    }
    const parts = gpu.divided ? (slices.get(placeOf(gpu)) ?? []) : [];
    const order = ['mine', 'held', 'free', 'out', 'others'] as const;
    const group = order.find(name => parts.some(part => groupOf(part, user) === name));
    const shown = parts.filter(part => groupOf(part, user) === group);
    shown.forEach(part => placed.add(part));
    groups[group ?? groupOf(gpu, user)].push({ gpu, slices: shown });
  }
  return groups;
}

/** What there is in a group; a GPU that is divided is counted by its slices. */
export function totalsOf(entries: readonly IGpuEntry[]): ITotals {
  const gpus = entries.flatMap(({ gpu, slices }) => (gpu.divided ? slices : [gpu]));
  const loads = gpus.map(({ utilization }) => utilization).filter(load => load !== null);
  return {
    count: gpus.length,
    busy: loads.length === gpus.length ? loads.filter(load => load >= BUSY).length : null,
    used: sum(gpus.map(gpu => gpu.memory_used)),
    total: sum(gpus.map(gpu => gpu.memory_total))
  };
}

/** Whether it is a part of a GPU. */
export function isSlice({ slice }: IGpu): boolean {
  return slice !== null && slice !== undefined;
}

function groupOf(gpu: IGpu, user: string): keyof IGpuGroups {
  if (gpu.holder !== null) {
    const { owner, name, id } = gpu.holder;
    if (!name && !id) {
      return 'others';
    }
    if (user === '') {
      return 'held';
    }
    return owner === user || owner === '' ? 'mine' : 'others';
  }
  const broken = (gpu.condition ?? 'ok') !== 'ok';
  return gpu.error || gpu.withdrawn || broken ? 'out' : 'free';
}

/** Which GPU of which machine it is, or is a part of. */
function placeOf({ node, index }: IGpu): string {
  return `${node ?? ''}/${index}`;
}

/** The sum, or null when one is not known. */
function sum(values: readonly (number | null)[]): number | null {
  return values.reduce<number | null>(
    (all, value) => (all === null || value === null ? null : all + value),
    0
  );
}
