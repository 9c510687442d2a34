import type { IGpu, IGpuReport } from '../gpuspecs';

/** A lab of one's own that holds GPUs, and whether it lends them. */
export interface ILending {
  /** Id of the lab. */
  id: string;
  name: string;
  /** Whether jobs may use them. */
  lend: boolean;
  gpus: readonly IGpu[];
}

/** One's own labs with GPUs, in the order of these. Other people's have no name here. */
export function lendings(report: IGpuReport): ILending[] {
  const found = new Map<string, ILending & { gpus: IGpu[] }>();
  for (const gpu of report.gpus) {
    const { holder } = gpu;
    // A server that does not know of lending says nothing about it.
    if (holder?.kind !== 'lab' || !holder.id || holder.lend === undefined) {
      continue;
    }
    const { id, name, lend } = holder;
    const known = found.get(id);
    if (known === undefined) {
      found.set(id, { id, name: name || id, lend, gpus: [gpu] });
    } else {
      known.gpus.push(gpu);
    }
  }
  return [...found.values()];
}
