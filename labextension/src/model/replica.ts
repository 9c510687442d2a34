import type { IBatch, IDeploymentSpec } from '../serving';

/** The fields about what each replica gets that an error can belong to. */
export const REPLICA_FIELDS = ['gpus', 'cpus', 'size', 'wait'] as const;
export type ReplicaField = (typeof REPLICA_FIELDS)[number];

/** What each replica gets, as it is typed; empty is as its server has it. */
export type IReplicaDraft = Record<ReplicaField, string>;

/** What the form begins with. */
export const REPLICA: IReplicaDraft = { gpus: '', cpus: '', size: '', wait: '5' };

/** As `dllab_hub/specs/deployment.py` has it; a wait is milliseconds here. */
const BOUNDS: Record<ReplicaField, { least: number; most: number; whole: boolean }> = {
  gpus: { least: 0, most: 8, whole: true },
  cpus: { least: 1, most: 64, whole: true },
  size: { least: 2, most: 1024, whole: true },
  wait: { least: 0, most: 1000, whole: false }
};

/** The draft of a wish that there is. */
export function replicaDraft({ gpus, cpus, batch }: IDeploymentSpec): IReplicaDraft {
  return {
    gpus: gpus ? `${gpus}` : '',
    cpus: cpus ? `${cpus}` : '',
    size: batch ? `${batch.size}` : '',
    wait: batch ? `${Number((1000 * batch.wait).toPrecision(6))}` : REPLICA.wait
  };
}

/** The part of a wish that a draft stands for: only what is set. It has no flaw. */
export function replicaWish({ gpus, cpus, size, wait }: IReplicaDraft): IReplicaWish {
  const batch = { size: Number(size), wait: Number((Number(wait) / 1000).toPrecision(6)) };
  return {
    ...(Number(gpus) > 0 ? { gpus: Number(gpus) } : {}),
    ...(cpus.trim() === '' ? {} : { cpus: Number(cpus) }),
    ...(size.trim() === '' ? {} : { batch })
  };
}

/** What each replica gets, of a wish. */
export interface IReplicaWish {
  gpus?: number;
  cpus?: number | null;
  batch?: IBatch | null;
}

/** The first field that cannot be sent as it is, and between what it must lie; else null. */
export function replicaFlaw(
  draft: IReplicaDraft
): { field: ReplicaField; least: number; most: number; whole: boolean } | null {
  for (const field of REPLICA_FIELDS) {
    const text = draft[field].trim();
    // Without a size there is no wait; all else may be left to the server.
    if (field === 'wait' ? draft.size.trim() === '' : text === '') {
      continue;
    }
    const { least, most, whole } = BOUNDS[field];
    const value = Number(text);
    const fits = text !== '' && value >= least && value <= most;
    if (!fits || (whole && !Number.isInteger(value))) {
      return { field, least, most, whole };
    }
  }
  return null;
}
