import assert from 'node:assert/strict';
import test from 'node:test';
import { LabError } from '../../labextension/src/errors';
import { type ILabState, inShort, inWords } from '../../labextension/src/statustext';
import { trans } from './fakes';
import { anAlert } from './gpufakes';

function aLab(total: number, free: number, more: Partial<ILabState> = {}): ILabState {
  return {
    capacity: { capacity: { total, free, holders: [], forecast: null }, error: null },
    gpus: { report: null },
    jobs: { alive: 0 },
    deployments: { deployments: null },
    alerts: { firing: () => [] },
    ...more
  };
}

const short = (state: ILabState) => inShort(state, trans).join(' · ');

test('the status bar says what is used, in a few words', () => {
  const deployments = { deployments: [{ state: 'READY' }] } as never;
  const busy = aLab(8, 6, { jobs: { alive: 1 }, deployments });
  assert.equal(short(busy), 'GPU 2/8 · 1 job · 1 model');
  assert.deepEqual(inWords(busy, trans), [
    '2 of 8 GPUs are in use.',
    '1 training job is under way.',
    '1 of 1 deployed models are ready.'
  ]);
  assert.equal(short(aLab(8, 8)), 'GPU 0/8');
});

test('alerts come first, a few of them in full', () => {
  const firing = () => ['a', 'b', 'c', 'd'].map(id => anAlert(id));
  const state = aLab(8, 8, { alerts: { firing } });
  assert.equal(short(state), '4 alerts · GPU 0/8');
  assert.deepEqual(inWords(state, trans).slice(0, 4), [
    'a is hot.',
    'b is hot.',
    'c is hot.',
    'There are more alerts: 1.'
  ]);
});

test('a lab without GPUs says so, and why', () => {
  const report = (state: string, message: string) => ({ report: { state, message } }) as never;
  assert.equal(short(aLab(0, 0, { jobs: { alive: 2 } })), 'No GPU · 2 jobs');
  const none = aLab(0, 0, { gpus: report('no_library', 'There is no driver.') });
  assert.equal(short(none), 'No GPU');
  assert.equal(inWords(none, trans)[0], 'There is no driver.');
  const broken = aLab(0, 0, { gpus: report('driver_mismatch', 'Reboot.') });
  assert.equal(short(broken), 'GPUs cannot be read');
});

test('nothing is claimed before the first answer or without one', () => {
  const capacity = { capacity: null, error: null };
  assert.equal(short(aLab(0, 0, { capacity })), '');
  const error = new LabError('the server does not answer.', 'Wait.');
  const away = aLab(0, 0, { capacity: { capacity: null, error } });
  assert.equal(short(away), 'Lab: no answer');
  assert.deepEqual(inWords(away, trans), ['The server does not answer.', 'Wait.']);
});
