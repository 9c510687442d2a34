/**
 * The values of the REST interface about what a training is to be, as `dllab_hub/specs` has them.
 * Times are in seconds, sizes in bytes.
 */

/** Some equal replicas of a job. What is null is left to the lab. */
export interface IRole {
  name: string;
  replicas: number;
  /** Of each replica, as the following. */
  gpus: number;
  processes?: number | null;
  cpus?: number | null;
  /** Most bytes. */
  memory?: number | null;
  command?: string[];
}

/** What a job runs. */
export interface ICode {
  kind?: 'script' | 'module' | 'shell' | 'command';
  source: string;
  filename: string;
  module?: string;
  args: string[];
  /** Modules that travel along: relative path and text. */
  files: Record<string, string>;
}

export type Strategy = 'single' | 'allreduce' | 'ps' | 'custom';

/** A wish for a training, as `jobs` takes it; what is left out has the server's default. */
export interface ITrainingSpec {
  name: string;
  image: string;
  strategy?: Strategy;
  code: ICode;
  roles: IRole[];
  /** Under `custom`: the role whose success ends the job. */
  success_role?: string | null;
  max_restarts?: number;
  checkpoint_every?: number;
  /** Seconds. */
  time_limit?: number | null;
  priority?: number;
  resume_after_reboot?: boolean;
  env?: Record<string, string>;
  /** Names of volumes of the catalog. */
  volumes?: readonly string[];
  /** Id of a lab whose installed packages are there too. */
  lab?: string | null;
  /** Name of the place where it runs; null: the usual one. */
  target?: string | null;
  /** Seconds of silence after which it counts as stalled; null: it never does. */
  stall_after?: number | null;
  on_stall?: 'alert' | 'relaunch';
  tags?: readonly string[];
  /** Id of another job whose checkpoints it starts from. */
  checkpoint_from?: string | null;
  /** Id of the uploaded directory that travels with it. */
  workspace?: string | null;
  /** The commit its code was at. */
  git?: IGitCommit | null;
}

export interface IGitCommit {
  commit: string;
  branch: string;
  /** Whether files differed from it. */
  dirty: boolean;
  remote: string;
}

/** The wish of a job: nothing is left out. */
export type ISpec = Required<ITrainingSpec>;

/** One thing that is wrong with a wish. */
export interface IFinding {
  check: 'syntax' | 'imports' | 'paths' | 'environment' | 'limits';
  severity: 'error' | 'warning';
  message: string;
  hint: string;
  /** Of the workspace, or empty. */
  file: string;
  /** From 1. */
  line: number | null;
}

/** What can be seen to be wrong before a job runs: errors first. */
export interface IPreflight {
  findings: IFinding[];
  seconds: number;
}

/** Processes of each replica of a role. */
export function processesOf(role: IRole, strategy: Strategy): number {
  return role.processes ?? (strategy === 'allreduce' ? Math.max(1, role.gpus) : 1);
}
