import assert from 'node:assert/strict';
import test from 'node:test';
import * as format from '../../labextension/src/serveformat';
import { trans } from './fakes';
import { aDeployment, aTensor } from './servingfakes';

const TRAFFIC = {
  requests: 12_400,
  rejected: 0,
  failed: 0,
  rate: 3.14,
  latency: 0.0042,
  waiting: 0
};

test('a tensor is told with its type and shape', () => {
  assert.equal(format.tensorLabel(aTensor('x', [null, 64])), 'x FP32 [?, 64]');
  assert.equal(format.tensorLabel(aTensor('s', [], 'INT64')), 's INT64 []');
});

test('traffic is told in few words, trouble only when there is any', () => {
  assert.deepEqual(format.trafficFacts(null, trans), []);
  assert.deepEqual(format.trafficFacts({ ...TRAFFIC, requests: 0 }, trans), []);
  assert.deepEqual(format.trafficFacts(TRAFFIC, trans), [
    '3.1 requests/s',
    '4.2 ms',
    '12\u202f400 requests'
  ]);
  assert.deepEqual(format.trafficFacts({ ...TRAFFIC, rate: 0.01, requests: 1 }, trans), [
    '4.2 ms',
    '1 request'
  ]);
  const trouble = { ...TRAFFIC, rejected: 1, failed: 2, waiting: 3, rate: 1234.5, latency: 2.25 };
  assert.deepEqual(format.trafficFacts(trouble, trans), [
    '1\u202f235 requests/s',
    '2.3 s',
    '12\u202f400 requests',
    '3 under way',
    '1 rejected',
    '2 failed'
  ]);
});

test('becoming ready or failing is news; fewer replicas are while nobody wished for a change', () => {
  const ready = aDeployment('a');
  const told = (...turn: [typeof ready, typeof ready | null]) => format.newsOf(...turn, trans);
  assert.deepEqual(told(ready, null), { message: 'a is ready with 2 replicas.', type: 'success' });
  const failed = aDeployment('a', 'FAILED', { reason: 'no room.' });
  assert.deepEqual(told(failed, ready), { message: 'a failed: no room.', type: 'error' });
  const degraded = aDeployment('a', 'DEGRADED', { reason: 'one crashed.' });
  assert.deepEqual(told(degraded, ready), {
    message: 'a is degraded: one crashed.',
    type: 'warning'
  });
  assert.equal(told({ ...degraded, updated: 2000 }, ready), null);
  assert.equal(told(degraded, aDeployment('a', 'STARTING')), null);
  assert.equal(told(aDeployment('a', 'STARTING'), null), null);
});

test('deleting says that callers get errors, whether there are any, and what stays', () => {
  const [first, ...rest] = format.lossOfDeployment(aDeployment('a'), trans);
  assert.match(first, /URL answers no more/);
  assert.deepEqual(rest, [
    'Its logs, events and counts are deleted.',
    'The model digits stays with all its versions: version 3 can be deployed again.'
  ]);
  const used = format.lossOfDeployment(aDeployment('a', 'READY', { traffic: TRAFFIC }), trans);
  assert.equal(used[1], 'It is in use now: about 3.1 requests per second.');
});

test('a state that this page does not know yet is shown as it is', () => {
  assert.equal(format.servingLabel('PAUSED' as never, trans), 'PAUSED');
});
