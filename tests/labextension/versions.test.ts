import assert from 'node:assert/strict';
import test from 'node:test';
import { LabError } from '../../labextension/src/errors';
import { CanaryForm } from '../../labextension/src/model/canary';
import {
  autoscaleLabel,
  newsOf,
  readyLabel,
  versionFacts
} from '../../labextension/src/serveformat';
import type { ICanary, IVersionTraffic } from '../../labextension/src/serving';
import * as versions from '../../labextension/src/versiontext';
import { trans } from './fakes';
import { aDeployment, aVersion } from './servingfakes';

const CANARY: ICanary = {
  version: 4,
  percent: 20,
  replicas: 1,
  max_errors: 0.05,
  max_slowdown: 2
};

function traffic(version: number, more: Partial<IVersionTraffic> = {}): IVersionTraffic {
  return {
    version,
    percent: 80,
    ready: 2,
    requests: 1000,
    failed: 1,
    p50: 0.004,
    p95: 0.0123,
    p99: 1.5,
    ...more
  };
}

const TRAFFIC = { requests: 10, rejected: 0, failed: 0, rate: 2, latency: 0.01, waiting: 1 };

test('each version that gets requests is told with its part, errors and times', () => {
  const known = aDeployment('a', 'READY', {
    canary: CANARY,
    versions: [
      traffic(3),
      traffic(4, { percent: 20, ready: 0, requests: 0, failed: 0, p50: null, p95: null, p99: null })
    ]
  });
  assert.deepEqual(versions.versionRows(known, trans), [
    {
      version: 3,
      isCanary: false,
      percent: '80 %',
      ready: '2',
      requests: '1\u202f000',
      errors: '0.1 %',
      p50: '4.0 ms',
      p95: '12 ms',
      p99: '1.5 s'
    },
    {
      version: 4,
      isCanary: true,
      percent: '20 %',
      ready: '0',
      requests: '0',
      errors: '–',
      p50: '–',
      p95: '–',
      p99: '–'
    }
  ]);
});

test('of a server that does not tell versions the one that it serves is shown', () => {
  const [row, ...more] = versions.versionRows(
    aDeployment('a', 'READY', { traffic: TRAFFIC }),
    trans
  );
  assert.deepEqual(
    [row.version, row.percent, row.requests, row.errors, row.p50, more],
    [3, '100 %', '10', '0 %', '–', []]
  );
});

test('shares of errors are short and never nothing when there was one', () => {
  for (const [failed, share] of [
    [0, '0 %'],
    [1, '0.0001 %'],
    [1234, '0.12 %'],
    [100_000, '10 %'],
    [1_000_000, '100 %']
  ] as const) {
    assert.equal(versions.errorShare(failed, 1_000_000), share);
  }
});

test('percentiles take the place of the mean where they are known', () => {
  const known = { traffic: TRAFFIC, versions: [traffic(3)] };
  assert.deepEqual(versions.loadFacts(aDeployment('a', 'READY', known), trans), [
    '2.0 requests/s',
    'p50 4.0 ms, p95 12 ms, p99 1.5 s',
    '10 requests',
    '1 under way'
  ]);
  const two = aDeployment('a', 'READY', { ...known, canary: CANARY });
  assert.equal(versions.loadFacts(two, trans)[1], 'version 3: p50 4.0 ms, p95 12 ms, p99 1.5 s');
  assert.deepEqual(
    versions.loadFacts(aDeployment('a', 'READY', { traffic: TRAFFIC }), trans)[1],
    '10 ms'
  );
  const failing = { traffic: { ...TRAFFIC, failed: 5 } };
  assert.deepEqual(versions.loadFacts(aDeployment('a', 'READY', failing), trans).slice(-2), [
    '1 under way',
    '5 failed (50 %)'
  ]);
});

test('a canary that was rolled back by itself is told until something else is done', () => {
  const event = (reason: string, message = '') => ({ time: 1, reason, message });
  const why = 'Of its last 40 answers 12 were errors, which is more than 5 %.';
  const told = (...events: ReturnType<typeof event>[]) =>
    versions.rolledBackLabel(aDeployment('a'), events, trans);
  const ended = event('RolledBack', `version 4 gets nothing more. ${why}`);
  const sentence = `Version 4 was rolled back by itself. ${why}`;
  assert.equal(told(event('Canary'), ended, event('ReplicaEnded')), sentence);
  assert.equal(told(event('RolledBack', `version 4 was rolled back: ${why}`)), sentence);
  for (const since of ['Canary', 'Promoted', 'Deployed']) {
    assert.equal(told(ended, event(since)), '');
  }
  // Somebody's wish is known to who had it.
  assert.equal(told(event('RolledBack', 'version 4 gets nothing more.')), '');
  assert.equal(told(event('RolledBack', '2 replicas of version 3.')), '');
  const there = aDeployment('a', 'READY', { canary: CANARY });
  assert.equal(versions.rolledBackLabel(there, [ended], trans), '');
});

test('promoting and rolling back say what will happen before it does', () => {
  const there = aDeployment('a', 'READY', { canary: CANARY });
  assert.match(
    versions.promotion(there, trans).join(' '),
    /Version 4 answers all .* 20 % .*Version 3/
  );
  assert.match(versions.rollbackLoss(there, trans)[0], /Version 4 .* Version 3 answers all/);
  const back = aDeployment('a', 'READY', { previous: 2 });
  assert.match(versions.rollbackLoss(back, trans)[0], /Version 2 is started .* version 3/);
  assert.match(versions.boundsLabel(there, trans), /more than 5 % .* more than 2 times/);
});

test('a form says which number cannot be sent, and sends ratios', async () => {
  const sent: ICanary[] = [];
  const form = new CanaryForm(async canary => void sent.push(canary));
  assert.equal(await form.submit(), false);
  assert.equal(form.field, 'version');
  form.set('version', '4');
  for (const [field, bad, good] of [
    ['percent', ['', '-1', '100', '1.5', 'x'], '25'],
    ['replicas', ['0', '33', ''], '2'],
    ['errors', ['-1', '101', 'x'], '2.5'],
    ['slowdown', ['0.5', '101'], '']
  ] as const) {
    for (const value of bad) {
      form.set(field, value);
      assert.equal(await form.submit(), false, `${field} ${value}`);
      assert.equal(form.field, field);
    }
    form.set(field, good);
    assert.equal(form.field, null);
  }
  assert.equal(await form.submit(), true);
  assert.deepEqual(sent, [
    { version: 4, percent: 25, replicas: 2, max_errors: 0.025, max_slowdown: null }
  ]);
});

test('what the server refuses stands at its field, and the form follows the canary that there is', async () => {
  const form = new CanaryForm(async () => {
    throw new LabError('must be at most 50.', '', 'invalid_request', 400, 'max_slowdown');
  });
  form.set('version', '4');
  assert.equal(await form.submit(), false);
  assert.deepEqual(
    [form.field, form.error?.message, form.busy],
    ['slowdown', 'must be at most 50.', false]
  );
  form.follow(CANARY);
  assert.deepEqual(
    [form.draft, form.error],
    [{ version: '4', percent: '20', replicas: '1', errors: '5', slowdown: '2' }, null]
  );
  form.set('percent', '50');
  form.follow({ ...CANARY });
  assert.equal(form.draft.percent, '50');
  form.follow(null);
  assert.equal(form.draft.version, '');
});

test('following the load and idling are told in words', () => {
  const autoscale = { min: 0, max: 4, signal: 'inflight' as const, target: 4, idle: 600 };
  const spec = { ...aDeployment('a').spec, autoscale };
  const idle = aDeployment('a', 'IDLE', { spec, wished: 0, ready: 0 });
  assert.equal(readyLabel(idle, trans), 'no replica');
  const two = aDeployment('a', 'READY', { spec, wished: 2 });
  assert.equal(autoscaleLabel(two, trans), '2 replicas, between 0 and 4 by load');
  assert.equal(autoscaleLabel(aDeployment('a'), trans), '');
  assert.equal(
    readyLabel(aDeployment('a', 'READY', { canary: CANARY }), trans),
    '2 of 3 replicas ready'
  );
  // What follows the load is no news.
  assert.equal(newsOf(two, idle, trans), null);
  assert.equal(newsOf(idle, two, trans), null);
  const more = { ...two, state: 'DEGRADED' as const, wished: 3 };
  assert.equal(newsOf(more, two, trans), null);
  assert.equal(newsOf(two, more, trans), null);
});

test('what a version was made from and what was measured of it is told', () => {
  const version = aVersion(1, {
    publisher: 'ada',
    source: { kind: 'job', path: 'a.pt', volume: '', job: 'mlp-1', step: 1200 },
    metrics: { accuracy: 0.971, loss: 0.08, f1: 0.9, more: 1 }
  });
  assert.deepEqual(versionFacts(version, 1010, trans), [
    '1.0 KiB',
    '10 s ago',
    'accuracy 0.971',
    'loss 0.08',
    'f1 0.9',
    'by ada',
    'from training mlp-1, step 1\u202f200',
    'x FP32 [?, 4]'
  ]);
});
