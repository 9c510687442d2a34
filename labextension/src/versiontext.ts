import type { TranslationBundle } from '@jupyterlab/translation';
import { count, quantity } from './format';
import { latency, trafficFacts } from './serveformat';
import type { IDeployment, IVersionTraffic } from './serving';
import type { IEvent } from './specs';

/** What is said of a canary's end that nobody asked for: which version, and why. */
const BY_ITSELF = /^version (\d+) (?:gets nothing more\.|was rolled back:) (.+)$/s;
/** What is done with versions: only the newest of these is worth telling. */
const TURNS = ['Canary', 'Promoted', 'RolledBack', 'Deployed'];

/** One line of the table of versions, in words. */
export interface IVersionRow {
  version: number;
  isCanary: boolean;
  percent: string;
  ready: string;
  requests: string;
  errors: string;
  p50: string;
  p95: string;
  p99: string;
}

/** The versions that get requests; what a server does not tell is a dash. */
export function versionRows(deployment: IDeployment, trans: TranslationBundle): IVersionRow[] {
  const { canary } = deployment;
  const time = (seconds: number | null) => (seconds === null ? '–' : latency(seconds, trans));
  return versionsOf(deployment).map(({ version, percent, ready, requests, failed, ...times }) => ({
    version,
    isCanary: version === canary?.version,
    percent: `${percent} %`,
    ready: String(ready),
    requests: count(requests),
    errors: requests === 0 ? '–' : errorShare(failed, requests),
    p50: time(times.p50),
    p95: time(times.p95),
    p99: time(times.p99)
  }));
}

/** As the server tells them, else what follows from the rest of the deployment. */
function versionsOf(deployment: IDeployment): IVersionTraffic[] {
  const { canary, replicas, traffic, version, versions } = deployment;
  if (versions !== undefined && versions.length > 0) {
    return versions;
  }
  const times = { p50: null, p95: null, p99: null };
  const ready = (which: number) =>
    replicas.filter(each => each.version === which && each.state === 'READY').length;
  const { requests = 0, failed = 0 } = traffic ?? {};
  const percent = 100 - (canary?.percent ?? 0);
  return [{ version, percent, ready: ready(version), requests, failed, ...times }].concat(
    canary
      ? [
          {
            version: canary.version,
            percent: canary.percent,
            ready: ready(canary.version),
            requests: 0,
            failed: 0,
            ...times
          }
        ]
      : []
  );
}

/** A part of the requests: `0 %`, `0.04 %`, `12 %`. */
export function errorShare(failed: number, requests: number): string {
  const share = (100 * failed) / requests;
  return `${share >= 10 ? Math.round(share) : Number(share.toPrecision(share < 0.01 ? 1 : 2))} %`;
}

/** What goes through the balancer, with percentiles where the server tells them. */
export function loadFacts(deployment: IDeployment, trans: TranslationBundle): string[] {
  const { traffic, versions } = deployment;
  if (traffic === null) {
    return [];
  }
  const served = versions?.find(({ version }) => version === deployment.version);
  const { p50 = null, p95 = null, p99 = null } = served ?? {};
  const told = p50 !== null && p95 !== null && p99 !== null;
  const known = { ...traffic, failed: 0, latency: told ? null : traffic.latency };
  const facts = trafficFacts(known, trans);
  if (told) {
    const times = [p50, p95, p99].map(seconds => latency(seconds, trans));
    const label = trans.__('p50 %1, p95 %2, p99 %3', ...times);
    facts.splice(
      facts.length > 0 && traffic.rate > 0 ? 1 : 0,
      0,
      deployment.canary ? trans.__('version %1: %2', deployment.version, label) : label
    );
  }
  const { failed, requests } = traffic;
  if (failed > 0) {
    facts.push(trans.__('%1 failed (%2)', count(failed), errorShare(failed, requests)));
  }
  return facts;
}

/** Why the last canary was taken back by itself; empty unless that is the newest word on it. */
export function rolledBackLabel(
  { canary }: IDeployment,
  events: readonly IEvent[],
  trans: TranslationBundle
): string {
  const last = [...events].reverse().find(({ reason }) => TURNS.includes(reason));
  const said = last?.reason === 'RolledBack' ? BY_ITSELF.exec(last.message) : null;
  return canary || said === null
    ? ''
    : trans.__('Version %1 was rolled back by itself. %2', said[1], said[2]);
}

/** What it takes for the canary to be rolled back by itself: one sentence. */
export function boundsLabel({ canary }: IDeployment, trans: TranslationBundle): string {
  if (!canary) {
    return '';
  }
  const { max_errors: errors, max_slowdown: slowdown } = canary;
  const share = errors === null ? '' : quantity(100 * errors, 'number');
  if (errors !== null && slowdown !== null) {
    return trans.__(
      'It is rolled back by itself when more than %1 % of its answers are errors, or when it takes more than %2 times as long as the other version.',
      share,
      slowdown
    );
  }
  if (errors !== null) {
    return trans.__(
      'It is rolled back by itself when more than %1 % of its answers are errors.',
      share
    );
  }
  return slowdown === null
    ? trans.__('It is not rolled back by itself, whatever it does.')
    : trans.__(
        'It is rolled back by itself when it takes more than %1 times as long as the other version.',
        slowdown
      );
}

/** What promoting the canary does: sentences, in order. */
export function promotion({ canary, version }: IDeployment, trans: TranslationBundle): string[] {
  return [
    trans.__(
      'Version %1 answers all requests from then on; it gets %2 % of them now.',
      canary?.version ?? '',
      canary?.percent ?? 0
    ),
    trans.__(
      'Version %1 answers its last requests and ends. No request fails, and you can roll back to it.',
      version
    )
  ];
}

/** What rolling back does: sentences, in order. */
export function rollbackLoss(
  { canary, previous = null, version }: IDeployment,
  trans: TranslationBundle
): string[] {
  return canary
    ? [
        trans.__(
          'Version %1 answers its last requests and ends. Version %2 answers all requests again; it never stopped.',
          canary.version,
          version
        ),
        trans.__('No request fails, and the version itself stays published.')
      ]
    : [
        trans.__(
          'Version %1 is started and takes the place of version %2, replica by replica. No request fails.',
          previous ?? '',
          version
        ),
        trans.__('Version %1 stays published.', version)
      ];
}
