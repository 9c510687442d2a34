import assert from 'node:assert/strict';
import test from 'node:test';
import { lossOf, lossOfPause } from '../../labextension/src/loss';
import type { IReplica } from '../../labextension/src/specs';
import { aJob, trans } from './fakes';

const now = 1420;
const checkpoint = { step: 12400, path: '/c', size: 1, time: 1000, format: 'dllab' };

test('cancelling says what is lost, from what has been seen', () => {
  const [first] = lossOf(aJob('a', 'RUNNING', { checkpoint }), now, trans);
  assert.equal(first, 'The last checkpoint holds step 12\u202f400 and is from 7 min ago.');
  const [without] = lossOf(aJob('a'), now, trans);
  assert.match(without, /^No checkpoint has been seen: .* the 7 min since it started are lost\.$/);
  const [waiting] = lossOf(aJob('a', 'PENDING', { started: null }), now, trans);
  assert.equal(waiting, 'It has not started, so nothing is lost.');
  const [paused] = lossOf(aJob('a', 'PAUSED', { checkpoint }), now, trans);
  assert.match(paused, /^It is paused, so nothing is lost\./);
});

test('pausing says what is lost at most, and what the code could do about it', () => {
  const [last, loss] = lossOfPause(aJob('a', 'RUNNING', { checkpoint }), now, trans);
  assert.equal(last, 'Last checkpoint: step 12\u202f400, 7 min ago.');
  assert.equal(
    loss,
    'Pausing now loses up to 7 min of work, unless the code saves when it is asked to end.'
  );
  const [none] = lossOfPause(aJob('a'), now, trans);
  assert.match(none, /^Nothing was saved yet: it will start over, unless the code saves/);
  const [waits] = lossOfPause(aJob('a', 'PENDING', { started: null }), now, trans);
  assert.equal(waits, 'It waits, so nothing is lost. It gives up its place in the queue.');
});

test('what was lost before this launch is not counted again', () => {
  const resumed = aJob('a', 'RUNNING', { checkpoint, started: 1360 });
  assert.match(lossOfPause(resumed, now, trans)[1], /loses up to 1 min of work/);
  const replicas = [{ started: 1400 }] as IReplica[];
  const relaunched = aJob('a', 'RUNNING', { checkpoint, replicas });
  assert.match(lossOfPause(relaunched, now, trans)[1], /loses up to 20 s of work/);
});

test('whose GPUs become free is told what resuming means', () => {
  const job = aJob('a');
  assert.equal(lossOfPause(job, now, trans).pop(), 'It can be resumed at any time.');
  const roles = [{ ...job.spec.roles[0], gpus: 1 }];
  const sentences = lossOfPause({ ...job, spec: { ...job.spec, roles } }, now, trans);
  assert.match(sentences.pop()!, /^Its GPUs become free; when it is resumed it waits/);
});
