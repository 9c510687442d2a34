/** The values of the REST interface about models and deployments, as `dllab_hub/specs` has them. */

/** More replicas than this no deployment has. */
export const MAX_REPLICAS = 32;

/** One input or output of a model; an axis of any size is null. */
export interface ITensor {
  name: string;
  datatype: string;
  shape: (number | null)[];
}

/** What a version was made from; what does not apply is empty. */
export interface IModelSource {
  kind: 'file' | 'volume' | 'job' | 'notebook';
  path: string;
  volume: string;
  job: string;
  step: number | null;
}

/** An older server does not tell publisher, source and metrics. */
export interface IModelVersion {
  model: string;
  version: number;
  format: string;
  inputs: ITensor[];
  outputs: ITensor[];
  size: number;
  sha256: string;
  /** JSON text of a request that it answers; may be empty. */
  example: string;
  created: number;
  publisher?: string;
  source?: IModelSource | null;
  /** What its maker measured of it, by name. */
  metrics?: Record<string, number>;
}

/** Versions newest first. */
export interface IModel {
  name: string;
  owner: string;
  versions: IModelVersion[];
}

export interface IModelPage {
  models: IModel[];
  next: string | null;
}

/** Between how many replicas there are, by what they have to do. */
export interface IAutoscale {
  min: number;
  max: number;
  signal: 'inflight' | 'gpu';
  /** Of the signal, for each replica. */
  target: number;
  /** Seconds without a request after which all replicas end, where `min` is 0. */
  idle: number;
}

/** Another version that gets a part of the requests. */
export interface ICanary {
  version: number;
  percent: number;
  replicas: number;
  /** Most of its answers that may be 5xx, a ratio; null is any. */
  max_errors: number | null;
  /** How many times as slow it may be; null is as slow as it likes. */
  max_slowdown: number | null;
}

/** Requests that come at the same time are computed as one. */
export interface IBatch {
  /** Most rows that are computed at a time. */
  size: number;
  /** Seconds that a request waits for others at most. */
  wait: number;
}

/** A wish to serve a model; version null is the newest, autoscale null as many as wished for. */
export interface IDeploymentSpec {
  name: string;
  model: string;
  version: number | null;
  replicas: number;
  autoscale?: IAutoscale | null;
  /** Of each replica. */
  gpus?: number;
  /** Threads of each replica; null as its server has it. */
  cpus?: number | null;
  /** Null for each request by itself. */
  batch?: IBatch | null;
}

export type DeploymentState = 'STARTING' | 'READY' | 'DEGRADED' | 'FAILED' | 'IDLE' | 'DELETING';

export type ReplicaState = 'STARTING' | 'READY' | 'RESTARTING' | 'DRAINING' | 'FAILED';

/** One process that serves a model. */
export interface IDeploymentReplica {
  name: string;
  version: number;
  state: ReplicaState;
  pid: number | null;
  restarts: number;
  reason: string;
  started: number | null;
}

/** What went through the balancer since it started; latency is seconds. */
export interface ITraffic {
  requests: number;
  rejected: number;
  failed: number;
  rate: number;
  latency: number | null;
  waiting: number;
}

/** What one version has answered, and its part in what comes; times are seconds. */
export interface IVersionTraffic {
  version: number;
  percent: number;
  ready: number;
  requests: number;
  failed: number;
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

/** An older server does not tell what was wished for, the canary and what each version does. */
export interface IDeployment {
  name: string;
  owner: string;
  spec: IDeploymentSpec;
  version: number;
  state: DeploymentState;
  reason: string;
  replicas: IDeploymentReplica[];
  ready: number;
  /** How many replicas of `version` there are to be. */
  wished?: number;
  canary?: ICanary | null;
  /** What a rollback without a canary brings back. */
  previous?: number | null;
  traffic: ITraffic | null;
  /** Those that get requests; the canary's comes last. */
  versions?: IVersionTraffic[];
  url: string;
  /** What is to be known of what it serves; an older server does not tell. */
  warning?: string;
  created: number;
  updated: number;
}

export interface IDeploymentPage {
  deployments: IDeployment[];
  next: string | null;
}

/** How many replicas there are to be, those of a canary with them. */
export function wishedOf({ spec, wished, canary }: IDeployment): number {
  const own = spec.autoscale ? (wished ?? spec.replicas) : spec.replicas;
  return own + (canary?.replicas ?? 0);
}
