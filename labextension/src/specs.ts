/**
 * The values of the REST interface, as `dllab_hub/specs` defines them.
 *
 * Times are seconds since the epoch, sizes bytes, ratios 0 to 1. What is not known is null.
 */

import type { IHolder } from './gpuspecs';
import type { ISpec } from './trainspec';

export type JobState =
  'PENDING' | 'RUNNING' | 'RESTARTING' | 'PAUSED' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED' | 'LOST';

export interface IReplica {
  role: string;
  index: number;
  attempt: number;
  state: JobState;
  pid: number | null;
  exit_code: number | null;
  signal: string | null;
  traceback: string;
  gpus: string[];
  started: number | null;
  ended: number | null;
  /** Number within its replica; null where a replica is one process. */
  process: number | null;
  /** Whether a signal such as SIGSTOP holds it: not dead, and not working. */
  stopped: boolean;
  /** Last step that it reported. */
  step: number | null;
  /** Steps a second of late. */
  rate: number | null;
  /** Whether it is clearly slower than the others. */
  straggler: boolean;
  /** CPUs in use. */
  cpu: number | null;
  memory: number | null;
  peak_memory: number | null;
}

export interface ICheckpoint {
  step: number;
  path: string;
  size: number;
  time: number;
  /** Who wrote it: `dllab`, or the name of a framework's own format. */
  format: string;
}

export interface IProgress {
  step: number;
  total: number | null;
  metrics: Record<string, number>;
  time: number;
  /** Steps a second of late. */
  rate: number | null;
  /** Seconds that are left at that rate. */
  eta: number | null;
  source: 'report' | 'tensorboard';
}

/** Why something waits or has failed, and what can be done. */
export interface IDiagnosis {
  cause: string;
  message: string;
  hint: string;
  /** Whether waiting cannot help. */
  final: boolean;
  log: string[];
  /** Who failed first; empty where it is not about one. */
  replica: string;
  attempt: number | null;
  traceback: string;
}

export interface IJob {
  id: string;
  owner: string;
  spec: ISpec;
  state: JobState;
  reason: string;
  attempt: number;
  replicas: IReplica[];
  checkpoint: ICheckpoint | null;
  progress: IProgress | null;
  /** Place in the queue, from 1, while it waits. */
  position: number | null;
  /** Seconds that it ran, up to its last end or pause. */
  ran: number;
  workspace: string;
  tensorboard: string;
  created: number;
  started: number | null;
  ended: number | null;
  /** Why it failed, or what is wrong with it now. */
  diagnosis: IDiagnosis | null;
  /** While nobody has said anything for too long: since when. */
  silent_since: number | null;
  gpu_seconds: number;
  tags: string[];
  notes: string;
  favourite: boolean;
  /** Whether its directory is still there. */
  files: boolean;
}

export interface IJobPage {
  jobs: IJob[];
  next: string | null;
}

export interface ILogChunk {
  text: string;
  replica: string;
  attempt: number;
  offset: number;
  next_offset: number;
  size: number;
  complete: boolean;
}

export interface IBoard {
  name: string;
  url: string;
  logdir: string;
}

/** Whether nothing more will happen to a job in this state. */
export function isTerminal(state: JobState): boolean {
  return ['SUCCEEDED', 'FAILED', 'CANCELLED', 'LOST'].includes(state);
}

/** Whether it waits or runs: it changes without anybody doing something. */
export function isUnderWay(state: JobState): boolean {
  return !isTerminal(state) && state !== 'PAUSED';
}

/** Whether it can go on from its last checkpoint. */
export function isResumable(state: JobState): boolean {
  return !isUnderWay(state) && state !== 'SUCCEEDED';
}

/** `worker-0`; `worker-0.1` for the second process of a replica that has several. */
export function replicaName({ role, index, process }: IReplica): string {
  return process === null ? `${role}-${index}` : `${role}-${index}.${process}`;
}

export interface IImage {
  name: string;
  title: string;
  framework: string;
  version: string;
  python: string;
  description: string;
  /** What a cluster pulls; empty where there is only an environment. */
  container?: string;
  /** `missing`: there is only a container. */
  state?: 'ready' | 'building' | 'missing';
}

/** A place where a job may run. */
export interface ITarget {
  name: string;
  title: string;
  kind: 'machine' | 'cluster';
}

/** Data that the administrator offers; `path` and `url` are empty where they do not say it. */
export interface IVolume {
  name: string;
  title: string;
  path: string;
  url?: string;
  read_only: boolean;
}

/** What a lab or job may be made of. */
export interface ICatalog {
  images: IImage[];
  volumes: IVolume[];
  /** Where jobs may run, the usual place first; empty where there is only that. */
  targets?: ITarget[];
  default_image: string;
  max_gpus: number;
  max_replicas: number;
}

/** GPUs free and held; the forecast is for the number that was asked about. */
export interface ICapacity {
  total: number;
  free: number;
  holders: IHolder[];
  forecast: {
    answer: 'now' | 'node' | 'wait' | 'never';
    message: string;
    smaller?: number | null;
  } | null;
}

/** One thing that happened to a job or deployment. */
export interface IEvent {
  time: number;
  reason: string;
  message: string;
}
