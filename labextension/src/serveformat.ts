import type { TranslationBundle } from '@jupyterlab/translation';
import { ago, count, quantity, size } from './format';
import {
  type DeploymentState,
  type IDeployment,
  type IModelSource,
  type IModelVersion,
  type ITensor,
  type ITraffic,
  type ReplicaState,
  wishedOf
} from './serving';

/** Fewer requests per second than this are none that is worth telling. */
const QUIET = 0.05;
/** Most numbers of a version that stand in a line. */
const METRICS = 3;

export function servingLabel(
  state: DeploymentState | ReplicaState,
  trans: TranslationBundle
): string {
  switch (state) {
    case 'STARTING':
      return trans.__('Starting');
    case 'READY':
      return trans.__('Ready');
    case 'DEGRADED':
      return trans.__('Degraded');
    case 'RESTARTING':
      return trans.__('Restarting');
    case 'DRAINING':
      return trans.__('Draining');
    case 'IDLE':
      return trans.__('Idle');
    case 'DELETING':
      return trans.__('Deleting');
    case 'FAILED':
      return trans.__('Failed');
    default:
      return state; // A newer server may know more states.
  }
}

/** `x FP32 [?, 64]`, as the model server says it. */
export function tensorLabel({ name, datatype, shape }: ITensor): string {
  return `${name} ${datatype} [${shape.map(axis => axis ?? '?').join(', ')}]`;
}

/** How many replicas answer, of how many. */
export function readyLabel(deployment: IDeployment, trans: TranslationBundle): string {
  const { ready, state } = deployment;
  return state === 'IDLE'
    ? trans.__('no replica')
    : trans._n('%2 of %1 replica ready', '%2 of %1 replicas ready', wishedOf(deployment), ready);
}

/** How many replicas there are to be, and who says so; empty where a person does. */
export function autoscaleLabel(
  { spec: { autoscale, replicas }, wished = replicas }: IDeployment,
  trans: TranslationBundle
): string {
  if (!autoscale) {
    return '';
  }
  const { min, max, signal } = autoscale;
  const now = trans._n('%1 replica', '%1 replicas', wished);
  return signal === 'gpu'
    ? trans.__('%1, between %2 and %3 by the load of their GPUs', now, min, max)
    : trans.__('%1, between %2 and %3 by load', now, min, max);
}

/** Seconds as a length of time below a minute. */
export function latency(seconds: number, trans: TranslationBundle): string {
  const milliseconds = 1000 * seconds;
  if (milliseconds >= 1000) {
    return trans.__('%1 s', seconds.toFixed(1));
  }
  return trans.__('%1 ms', milliseconds < 10 ? milliseconds.toFixed(1) : milliseconds.toFixed(0));
}

/** What goes through the balancer: facts, in order; only what there is to tell. */
export function trafficFacts(traffic: ITraffic | null, trans: TranslationBundle): string[] {
  if (traffic === null || (traffic.requests === 0 && traffic.waiting === 0)) {
    return [];
  }
  const { requests, rejected, failed, rate, waiting } = traffic;
  const facts = [trans._n('%2 request', '%2 requests', requests, count(requests))];
  if (traffic.latency !== null) {
    facts.unshift(latency(traffic.latency, trans));
  }
  if (rate >= QUIET) {
    facts.unshift(trans.__('%1 requests/s', rate < 10 ? rate.toFixed(1) : count(Math.round(rate))));
  }
  if (waiting > 0) {
    facts.push(trans.__('%1 under way', count(waiting)));
  }
  if (rejected > 0) {
    facts.push(trans.__('%1 rejected', count(rejected)));
  }
  if (failed > 0) {
    facts.push(trans.__('%1 failed', count(failed)));
  }
  return facts;
}

/** What is worth knowing of a version beside its number. */
export function versionFacts(
  version: IModelVersion,
  now: number,
  trans: TranslationBundle
): string[] {
  const { metrics = {}, publisher = '', source } = version;
  const made = source ? sourceLabel(source, trans) : '';
  const by = publisher ? trans.__('by %1', publisher) : '';
  return [
    size(version.size),
    ago(version.created, now, trans),
    ...Object.entries(metrics)
      .slice(0, METRICS)
      .map(([name, value]) => `${name} ${quantity(value, 'number')}`),
    ...[by, made].filter(Boolean),
    ...version.inputs.map(tensorLabel)
  ];
}

/** What a version was made from; empty where that goes without saying. */
function sourceLabel({ kind, job, path, step, volume }: IModelSource, trans: TranslationBundle) {
  if (kind === 'job' && job) {
    return step === null
      ? trans.__('from training %1', job)
      : trans.__('from training %1, step %2', job, count(step));
  }
  if (kind === 'volume' && volume) {
    return trans.__('from volume %1', volume);
  }
  return kind === 'file' && path ? trans.__('from %1', path) : '';
}

/** What is worth telling when a deployment has come to another state, and how grave it is. */
export function newsOf(
  deployment: IDeployment,
  before: IDeployment | null,
  trans: TranslationBundle
): { message: string; type: 'success' | 'warning' | 'error' } | null {
  const { name, reason, state, updated } = deployment;
  switch (state) {
    case 'READY':
      // What follows the load comes and goes: that is what it was asked for.
      if (before?.state === 'IDLE' || (before?.state === 'DEGRADED' && deployment.spec.autoscale)) {
        return null;
      }
      return {
        message: trans._n(
          '%2 is ready with %1 replica.',
          '%2 is ready with %1 replicas.',
          deployment.ready,
          name
        ),
        type: 'success'
      };
    case 'FAILED':
      return { message: trans.__('%1 failed: %2', name, reason), type: 'error' };
    case 'DEGRADED':
      // While a wish is being carried out, some replicas that do not answer yet are no news.
      return before?.state === 'READY' &&
        before.updated === updated &&
        wishedOf(before) === wishedOf(deployment)
        ? { message: trans.__('%1 is degraded: %2', name, reason), type: 'warning' }
        : null;
    default:
      return null;
  }
}

/** What is lost by who deletes the deployment now: sentences, in order. */
export function lossOfDeployment(deployment: IDeployment, trans: TranslationBundle): string[] {
  const { traffic, version, spec } = deployment;
  const sentences = [
    trans.__(
      'Requests under way are answered first. Then its URL answers no more: whoever calls it gets an error.'
    )
  ];
  if (traffic !== null && traffic.rate >= QUIET) {
    sentences.push(
      trans.__('It is in use now: about %1 requests per second.', traffic.rate.toFixed(1))
    );
  }
  sentences.push(
    trans.__('Its logs, events and counts are deleted.'),
    trans.__(
      'The model %1 stays with all its versions: version %2 can be deployed again.',
      spec.model,
      version
    )
  );
  return sentences;
}
