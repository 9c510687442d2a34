/**
 * The values of the REST interface about the lab itself, as `dllab_hub/specs` has them: what was
 * picked, whether it is used, its restart with other GPUs. Times are seconds since the epoch.
 */

/** How one logs in with SSH; `problem` says why one cannot, or is empty. */
export interface ISshDoor {
  command: string;
  alias: string;
  problem: string;
}

/** A running lab. Paths are those of the server; `tensorboard` may be empty, `ssh` null. */
export interface ILabView {
  /** What a job names to get what was installed here; empty where that is not kept apart. */
  id: string;
  title: string;
  /** Name of its image; empty when it is of none. */
  image: string;
  gpus: number;
  volumes: { name: string; title: string; read_only: boolean; place: string }[];
  landing: string;
  tensorboard: string;
  ssh: ISshDoor | null;
  /** Minutes without use after which the lab is stopped; 0 is never. */
  idle: number;
}

/** Whether the lab is used: `stops` is null when it is not stopped for want of use. */
export interface IIdle {
  limit: number;
  since: number;
  stops: number | null;
  active: ('kernel' | 'gpu' | 'job')[];
  gpus: number;
  /** What the server's clock showed: the browser's own may be wrong. */
  now: number;
}

/** The last restart of the lab with another number of GPUs. */
export interface IRestart {
  server: string;
  gpus: number;
  before: number;
  state: 'none' | 'restarting' | 'done' | 'undone' | 'failed';
  message: string;
  time: number;
}
