/**
 * What is kept and known of jobs, as `dllab_hub/specs` defines it.
 *
 * Times are seconds since the epoch, sizes bytes. What is not known is null.
 */

import type { IEvent, IJob, JobState } from './specs';

/** One number over time; a value that is not finite is null. */
export interface ICurve {
  /** Of use: `cpu` (CPUs), `memory` (bytes), `gpu` (ratio), `gpu_memory` (bytes). */
  name: string;
  source: 'report' | 'tensorboard' | 'usage' | 'gpu';
  /** Empty where it is not known who wrote it. */
  replica: string;
  /** Directory below the event files; empty for the top. */
  run: string;
  /** Empty where there are none. */
  steps: number[];
  times: number[];
  values: (number | null)[];
}

export interface ICurves {
  curves: ICurve[];
  /** Part of the event files that has been read, 0 to 1. */
  read: number;
  /** What could not be read, and why. */
  notes: string[];
}

export type CurveKind = 'all' | 'metrics' | 'usage';

/** Which jobs are wanted; null does not matter. */
export interface IJobFilter {
  state: JobState[];
  name: string | null;
  image: string | null;
  tag: string | null;
  text: string | null;
  since: number | null;
  until: number | null;
  favourite: boolean;
}

/** What a person writes down about a job; what is left out stays. */
export interface IAnnotation {
  tags?: string[];
  notes?: string;
  favourite?: boolean;
}

export interface IEnvironment {
  image: string;
  title: string;
  python: string;
  packages: Record<string, string>;
  overlay: Record<string, string>;
}

export interface IArtefact {
  path: string;
  size: number;
  time: number;
}

/** A job with everything that is known of it. */
export interface IJobRecord {
  job: IJob;
  events: IEvent[];
  environment: IEnvironment | null;
  files: { path: string; sha256: string; size: number; executable: boolean }[];
  artefacts: IArtefact[];
  curves: ICurve[];
  logs: Record<string, string>;
}

export interface IRecordPage {
  records: IJobRecord[];
  next: string | null;
}

/** What became of lines that were imported: ids of jobs. */
export interface IImported {
  added: string[];
  known: string[];
}

export interface IDifference {
  part: 'spec' | 'environment' | 'result';
  field: string;
  values: (string | null)[];
}

export interface IDiffLine {
  /** `skipped`: equal lines that are left out, `before` says how many. */
  kind: 'same' | 'changed' | 'removed' | 'added' | 'skipped';
  left: number | null;
  before: string;
  right: number | null;
  after: string;
}

export interface ICodeDiff {
  /** Id of the job that is compared with the first. */
  job: string;
  path: string;
  lines: IDiffLine[];
  more: number;
  binary: boolean;
}

export interface IComparison {
  jobs: IJob[];
  differences: IDifference[];
  code: ICodeDiff[];
  /** Of each job, in the same order. */
  curves: ICurves[];
}

/** What a wish would cost, and when it would start. */
export interface IQuote {
  gpus: number;
  cpus: number;
  gpu_hours: number | null;
  used: number;
  quota: number | null;
  /** 0: it would start at once. */
  position: number;
  start: number | null;
  message: string;
  /** Why a submit would be refused; empty when it would not. */
  refused: string;
}

export interface IFrame {
  function: string;
  file: string;
  line: number;
}

/** Where the main thread of a replica is. */
export interface IStack {
  replica: string;
  pid: number;
  frames: IFrame[];
  waits: boolean;
  error: string;
}

export interface ILogMatch {
  offset: number;
  text: string;
  start: number;
  end: number;
}

export interface ILogMatches {
  matches: ILogMatch[];
  /** Go on from here; null when all has been looked through. */
  next_offset: number | null;
  size: number;
}

export type NoticeKind = 'succeeded' | 'failed' | 'stalled' | 'restarted' | 'paused';

export interface IDelivery {
  time: number;
  job: string;
  kind: string;
  by: 'webhook' | 'email';
  state: 'sent' | 'retrying' | 'failed';
  tries: number;
  message: string;
}

export interface INoticeSettings {
  webhook: string | null;
  /** Only in the answer to the request that set or made it. */
  secret: string | null;
  has_secret: boolean;
  email: string | null;
  on: NoticeKind[];
  can_email: boolean;
  deliveries: IDelivery[];
}

export interface INoticeWish {
  webhook: string | null;
  secret: string | null;
  email: string | null;
  on: NoticeKind[];
}
