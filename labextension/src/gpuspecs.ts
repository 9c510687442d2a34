/**
 * The values of the REST interface about GPUs and the machine, as `dllab_hub/specs` has them.
 *
 * Times are seconds since the epoch, sizes bytes, ratios 0 to 1, temperatures degrees Celsius, power
 * watts, clocks hertz. What is not known is null, and never 0; what may be missing an older server
 * does not tell.
 */

export type GpuState =
  'ok' | 'no_library' | 'no_gpu' | 'driver_mismatch' | 'not_permitted' | 'stale' | 'failed';

/** For other people's things owner, name and id are empty. */
export interface IHolder {
  kind: 'lab' | 'job' | 'deployment';
  owner: string;
  name: string;
  id: string;
  /** Whether a lab lends its GPUs to jobs of the same person. */
  lend?: boolean;
  /** The job that uses this GPU of the lab now. */
  lent_to?: IHolder | null;
}

export type Throttle = 'power_cap' | 'hw_slowdown' | 'sw_thermal' | 'hw_thermal' | 'power_brake';

/** A process that uses a GPU; of other people's only its memory and the kind of holder. */
export interface IGpuProcess {
  /** Null where it is of another namespace, or not told. */
  pid: number | null;
  memory: number | null;
  /** Of its program; empty when it is not known here. */
  name: string;
  /** Null: whose it is is not known here. */
  holder: IHolder | null;
  /** Such as `worker-0`; empty for a lab. */
  replica: string;
}

/** A GPU, or a MIG slice of one. One that is divided comes before its slices. */
export interface IGpu {
  index: number;
  /** Number of a slice within its GPU; null for a whole GPU. */
  slice?: number | null;
  uuid: string;
  name: string;
  /** Machine that has it; empty for this one. */
  node?: string;
  /** Profile of a slice, such as `1g.10gb`. */
  mig?: string;
  divided?: boolean;
  utilization: number | null;
  memory_used: number | null;
  memory_total: number | null;
  temperature: number | null;
  temperature_slowdown: number | null;
  temperature_shutdown?: number | null;
  power: number | null;
  power_limit: number | null;
  clock?: number | null;
  memory_clock?: number | null;
  throttle?: Throttle[] | null;
  ecc_corrected?: number | null;
  ecc_uncorrected?: number | null;
  /** Whether a row of memory could not be replaced. */
  remap_failed?: boolean | null;
  /** What NVIDIA says has to be done: 0 nothing, 1 reset, 2 restart of the machine, 3 and 4 drain. */
  recovery?: number | null;
  /** How often the driver reported each error number. */
  xids?: Record<string, number>;
  pcie_sent?: number | null;
  pcie_received?: number | null;
  nvlink?: number | null;
  /** Null when not told. */
  processes?: IGpuProcess[] | null;
  condition?: 'ok' | 'lost' | 'reset_required' | 'not_permitted' | 'failed';
  error: string;
  /** Sentence when it is given to nobody until it is healthy again. */
  withdrawn?: string;
  holder: IHolder | null;
}

/** GPUs of a cluster of which numbers are told and nothing else. */
export interface IGpuTotals {
  held: number;
  free: number;
  out: number;
  busy: number | null;
  memory_used: number | null;
  memory_total: number | null;
}

export interface IGpuReport {
  state: GpuState;
  message: string;
  hint: string;
  time: number;
  driver: string;
  gpus: IGpu[];
  /** Null where `gpus` are all there are. */
  others?: IGpuTotals | null;
}

export interface IDisk {
  /** Of the volume, or `home`. */
  name: string;
  used: number;
  total: number;
}

/** CPU and memory in use, against the limits of the container if there is one. */
export interface IHost {
  time: number;
  /** Whether there are limits of a container. */
  container: boolean;
  /** CPUs in use. */
  cpu: number | null;
  /** CPUs that may be used. */
  cpus: number | null;
  memory: number | null;
  memory_limit: number | null;
  disks: IDisk[];
}
