/** The values of the REST interface about models and deployments, as `dllab_hub/specs` has them. */

/** More replicas than this no deployment has. */
export const MAX_REPLICAS = 32;

/** One input or output of a model; an axis of any size is null. */
export interface ITensor {
  name: string;
  datatype: string;
  shape: (number | null)[];
}

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

/** A wish to serve a model; version null is the newest. */
export interface IDeploymentSpec {
  name: string;
  model: string;
  version: number | null;
  replicas: number;
}

export type DeploymentState = 'STARTING' | 'READY' | 'DEGRADED' | 'FAILED' | 'DELETING';

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

export interface IDeployment {
  name: string;
  owner: string;
  spec: IDeploymentSpec;
  version: number;
  state: DeploymentState;
  reason: string;
  replicas: IDeploymentReplica[];
  ready: number;
  traffic: ITraffic | null;
  url: string;
  created: number;
  updated: number;
}

export interface IDeploymentPage {
  deployments: IDeployment[];
  next: string | null;
}
