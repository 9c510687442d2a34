/**
 * The values of the REST interface, as `dllab_hub/specs` defines them.
 *
 * Times are seconds since the epoch, sizes bytes, ratios 0 to 1. What is not known is null.
 */

export type GpuState =
  'ok' | 'no_library' | 'no_gpu' | 'driver_mismatch' | 'not_permitted' | 'stale' | 'failed';

/** For other people's things owner, name and id are empty. */
export interface IHolder {
  kind: 'lab' | 'job';
  owner: string;
  name: string;
  id: string;
  /** Whether a lab lends its GPUs to jobs of the same person. */
  lend?: boolean;
  /** The job that uses this GPU of the lab now. */
  lent_to?: IHolder | null;
}

export interface IGpu {
  index: number;
  uuid: string;
  name: string;
  utilization: number | null;
  memory_used: number | null;
  memory_total: number | null;
  temperature: number | null;
  temperature_slowdown: number | null;
  power: number | null;
  power_limit: number | null;
  error: string;
  holder: IHolder | null;
}

export interface IGpuReport {
  state: GpuState;
  message: string;
  hint: string;
  time: number;
  driver: string;
  gpus: IGpu[];
}

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
}

export interface ICheckpoint {
  step: number;
  path: string;
  size: number;
  time: number;
}

export interface IProgress {
  step: number;
  total: number | null;
  metrics: Record<string, number>;
  time: number;
}

export interface ISpec {
  name: string;
  image: string;
  strategy: string;
  roles: { name: string; replicas: number; gpus: number }[];
  max_restarts: number;
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
  workspace: string;
  tensorboard: string;
  created: number;
  started: number | null;
  ended: number | null;
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

/** `worker-0`. */
export function replicaName(replica: IReplica): string {
  return `${replica.role}-${replica.index}`;
}

/** A wish for a training, as `jobs` takes it; what is left out has the server's default. */
export interface ITrainingSpec {
  name: string;
  image: string;
  code: { source: string; filename: string; args: string[]; files: Record<string, string> };
  roles: { name: string; replicas: number; gpus: number }[];
  max_restarts?: number;
  checkpoint_every?: number;
  env?: Record<string, string>;
  /** Names of volumes of the catalog. */
  volumes?: readonly string[];
}

export interface IImage {
  name: string;
  title: string;
  framework: string;
  version: string;
  python: string;
  description: string;
}

/** What a lab or job may be made of. */
export interface ICatalog {
  images: IImage[];
  volumes: { name: string; title: string; path: string; read_only: boolean }[];
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
