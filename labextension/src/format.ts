import type { TranslationBundle } from '@jupyterlab/translation';
import type { IHolder } from './gpuspecs';
import type { ICheckpoint, IJob, JobState } from './specs';
import type { ISpec } from './trainspec';

/** Bytes as GiB with one decimal, without the unit. */
export function gib(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1);
}

/** Bytes with a unit that fits. */
export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  let value = bytes;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${at === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}

/** A number that was measured, with its unit: short enough for an axis. */
export function quantity(value: number, unit: 'number' | 'bytes' | 'ratio' | 'cpus'): string {
  switch (unit) {
    case 'bytes':
      return size(value);
    case 'ratio':
      return `${Math.round(100 * value)} %`;
    default: {
      const much = Math.abs(value);
      return much !== 0 && (much >= 1e6 || much < 1e-4)
        ? value.toExponential(2).replace(/\.?0+e/, 'e')
        : String(Number(value.toPrecision(4)));
    }
  }
}

/** A time since something began as a clock shows it: `1:05`, `2:03:00`, `3d 4:00:00`. */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600) % 24;
  const days = Math.floor(whole / 86_400);
  if (whole < 3600) {
    return `${minutes}:${two(whole % 60)}`;
  }
  return `${days > 0 ? `${days}d ` : ''}${hours}:${two(minutes)}:${two(whole % 60)}`;
}

function short(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

/** Steps a second, or seconds a step where they are slow. */
export function pace(rate: number, trans: TranslationBundle): string {
  return rate >= 1
    ? trans.__('%1 steps/s', short(rate))
    : trans.__('%1 s per step', short(1 / rate));
}

/** A ratio as a whole percentage, within 0 and 100. */
export function percent(ratio: number): number {
  return Math.round(100 * Math.min(1, Math.max(0, ratio)));
}

/** A number of steps: digits in groups of three. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** Seconds as a short length of time. */
export function duration(seconds: number, trans: TranslationBundle): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) {
    return trans.__('%1 s', whole);
  }
  if (whole < 3600) {
    return trans.__('%1 min', Math.floor(whole / 60));
  }
  if (whole < 48 * 3600) {
    return trans.__('%1 h %2 min', Math.floor(whole / 3600), Math.floor((whole % 3600) / 60));
  }
  return trans.__('%1 d', Math.floor(whole / 86400));
}

/** How long ago `time` was at `now`. */
export function ago(time: number, now: number, trans: TranslationBundle): string {
  return now - time < 2 ? trans.__('just now') : trans.__('%1 ago', duration(now - time, trans));
}

export function stateLabel(state: JobState, trans: TranslationBundle): string {
  switch (state) {
    case 'PENDING':
      return trans.__('Pending');
    case 'RUNNING':
      return trans.__('Running');
    case 'RESTARTING':
      return trans.__('Restarting');
    case 'PAUSED':
      return trans.__('Paused');
    case 'SUCCEEDED':
      return trans.__('Succeeded');
    case 'FAILED':
      return trans.__('Failed');
    case 'CANCELLED':
      return trans.__('Cancelled');
    case 'LOST':
      return trans.__('Lost');
    default:
      return state; // A newer server may know more states.
  }
}

/** How old the job is and how long it ran: one phrase. */
export function when(job: IJob, now: number, trans: TranslationBundle): string {
  if (job.state === 'PAUSED') {
    return job.started === null && job.ran === 0
      ? trans.__('has not started')
      : trans.__('ran for %1', duration(job.ran, trans));
  }
  if (job.ended !== null) {
    const ended = ago(job.ended, now, trans);
    return job.started === null
      ? trans.__('ended %1', ended)
      : trans.__('ended %1 after %2', ended, duration(job.ended - job.started, trans));
  }
  if (job.started !== null) {
    return trans.__('running for %1', duration(now - job.started, trans));
  }
  return trans.__('waiting for %1', duration(now - job.created, trans));
}

export function checkpointLabel(
  checkpoint: ICheckpoint,
  now: number,
  trans: TranslationBundle
): string {
  return trans.__(
    'checkpoint at step %1, %2',
    count(checkpoint.step),
    ago(checkpoint.time, now, trans)
  );
}

/** Who holds a GPU, as far as the person may know. */
export function holderLabel(holder: IHolder | null, trans: TranslationBundle): string {
  if (holder === null) {
    return trans.__('free');
  }
  if (!holder.name && !holder.id) {
    return trans.__('held by another person');
  }
  const name = holder.name || holder.id;
  if (holder.kind === 'job') {
    return trans.__('held by job %1', name);
  }
  if (holder.kind === 'deployment') {
    return trans.__('held by model %1', name);
  }
  if (holder.lent_to) {
    return trans.__('held by lab %1, lent to job %2', name, holder.lent_to.name);
  }
  return holder.lend
    ? trans.__('held by lab %1, which lends it', name)
    : trans.__('held by lab %1', name);
}

/** How many of what there are: `2 workers`, or each role with its number. */
export function rolesLabel({ strategy, roles }: ISpec, trans: TranslationBundle): string {
  if (strategy !== 'ps' && strategy !== 'custom') {
    return trans._n('%1 worker', '%1 workers', roles[0]?.replicas ?? 0);
  }
  return roles.map(({ name, replicas }) => `${replicas} × ${name}`).join(', ');
}
