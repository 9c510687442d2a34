import assert from 'node:assert/strict';
import test from 'node:test';
import type { IGpu } from '../../labextension/src/gpuspecs';
import {
  detailsOf,
  heat,
  modelName,
  power,
  othersText,
  processText,
  shortName,
  totalsText,
  warningsOf
} from '../../labextension/src/gputext';
import { groupsOf, type IGpuEntry, totalsOf } from '../../labextension/src/model/gpugroups';
import { trans } from './fakes';
import { aGpu, aSlice, JOB, LAB, OTHER } from './gpufakes';

const uuids = (entries: IGpuEntry[]) =>
  entries.map(({ gpu, slices }) => [gpu.uuid, ...slices.map(({ uuid }) => uuid)].join(' '));

function grouped(gpus: IGpu[], user = 'ada') {
  const { mine, held, free, out, others } = groupsOf(gpus, user);
  assert.ok(held.length === 0 || mine.length === 0);
  return [user ? mine : held, free, out, others].map(uuids);
}

test('GPUs are mine, free, out of service or of others', () => {
  const gpus = [
    aGpu(0, { holder: OTHER }),
    aGpu(1, { holder: LAB }),
    aGpu(2),
    aGpu(3, { withdrawn: 'It was lost.' }),
    aGpu(4, { condition: 'lost', error: 'It fell off the bus.' }),
    aGpu(5, { holder: JOB }),
    aGpu(6, { condition: 'failed', error: 'It could not be read.' })
  ];
  const out = ['GPU-3', 'GPU-4', 'GPU-6'];
  assert.deepEqual(grouped(gpus), [['GPU-1', 'GPU-5'], ['GPU-2'], out, ['GPU-0']]);
});

test('while it is not known who looks, nothing is said to be theirs', () => {
  const gpus = [aGpu(0, { holder: { ...JOB, owner: 'bob' } }), aGpu(1, { holder: JOB }), aGpu(2)];
  const { mine, held, free } = groupsOf([...gpus, aGpu(3, { holder: OTHER })], '');
  assert.deepEqual([mine, held, free].map(uuids), [[], ['GPU-0', 'GPU-1'], ['GPU-2']]);
});

test("an administrator's own GPUs are told from those of people with names", () => {
  const gpus = [aGpu(0, { holder: { ...JOB, owner: 'bob' } }), aGpu(1, { holder: JOB })];
  assert.deepEqual(grouped(gpus, 'ada'), [['GPU-1'], [], [], ['GPU-0']]);
});

test('a divided GPU stands above the first of its slices, each slice with its holder', () => {
  const gpus = [
    aGpu(0, { divided: true }),
    aSlice(0, 0, { holder: OTHER }),
    aSlice(0, 1, { holder: JOB }),
    aSlice(0, 2, { holder: JOB }),
    aSlice(0, 3),
    aGpu(1, { divided: true })
  ];
  assert.deepEqual(grouped(gpus), [
    ['GPU-0 MIG-0-1 MIG-0-2'],
    ['MIG-0-3', 'GPU-1'],
    [],
    ['MIG-0-0']
  ]);
});

test('GPUs of the same number on two machines are two', () => {
  const gpus = [
    aGpu(0, { node: 'a', divided: true, uuid: 'GPU-a' }),
    aSlice(0, 0, { node: 'b', uuid: 'MIG-b' })
  ];
  assert.deepEqual(grouped(gpus), [[], ['GPU-a', 'MIG-b'], [], []]);
});

test("other people's GPUs are one line of totals, of what is known", () => {
  const entries = (...gpus: IGpu[]) => gpus.map(gpu => ({ gpu, slices: [] }));
  const idle = aGpu(1, { utilization: 0.01 });
  const words = (found: IGpuEntry[]) => totalsText(totalsOf(found), trans);
  assert.equal(words(entries(aGpu(0), idle)), '2 GPUs of others: 1 busy, 20.0 of 80.0 GiB');
  assert.equal(words(entries(aSlice(0, 0))), '1 GPU of others: 10.0 of 40.0 GiB');
  const blind = aGpu(0, { utilization: null, memory_used: null });
  assert.equal(words(entries(blind, idle)), '2 GPUs of others');
  const slices = [aSlice(0, 0), aSlice(0, 1)];
  assert.equal(totalsOf([{ gpu: aGpu(0, { divided: true }), slices }]).count, 2);
});

test('of the others of a cluster there are numbers, as far as they are known', () => {
  const none = { held: 0, free: 0, out: 0, busy: 0, memory_used: 0, memory_total: 0 };
  assert.equal(othersText(none, trans), '0 free');
  const some = { ...none, held: 5, free: 2, out: 1, busy: 3, memory_used: 2 ** 30 };
  assert.equal(
    othersText({ ...some, memory_total: 2 ** 33 }, trans),
    '5 GPUs of others: 3 busy, 1.0 of 8.0 GiB · 2 free · 1 out of service'
  );
  assert.equal(
    othersText({ ...some, busy: null, memory_total: null }, trans),
    '5 GPUs of others · 2 free · 1 out of service'
  );
});

test('a slice says which one of which GPU it is', () => {
  assert.equal(shortName(aGpu(0), trans), 'GPU 0');
  assert.equal(shortName(aSlice(0, 1), trans), 'GPU 0, slice 1');
  assert.equal(modelName(aSlice(0, 1)), '1g.10gb');
  assert.equal(modelName(aGpu(0, { node: 'node-a' })), 'A100 · node-a');
  assert.equal(modelName(aGpu(0, { name: 'NVIDIA GPU' })), '');
});

test('what is wrong is said in words, what has to be done first', () => {
  const said = (more: Partial<IGpu>) =>
    warningsOf(aGpu(0, more), trans).map(({ kind, text }) => `${kind}: ${text}`);
  assert.deepEqual(said({}), []);
  assert.deepEqual(said({ throttle: null, recovery: null, ecc_uncorrected: null }), []);
  const together = 'What uses it together with other GPUs should end.';
  assert.deepEqual(said({ recovery: 3 }), [`error: ${together}`]);
  assert.deepEqual(said({ recovery: 7 }), ['error: NVIDIA recommends action 7.']);
  assert.deepEqual(
    said({
      throttle: ['sw_thermal', 'hw_thermal', 'power_cap'],
      withdrawn: 'It is lent to nobody.',
      error: 'It could not be read.',
      recovery: 2,
      ecc_uncorrected: 1,
      remap_failed: true
    }),
    [
      'error: It could not be read.',
      'error: It is lent to nobody.',
      'error: The machine has to be restarted.',
      'error: A broken row of its memory could not be replaced.',
      'error: 1 memory error could not be corrected.',
      'warning: Slowed down by heat.',
      'warning: Held back by its power limit.'
    ]
  );
});

test('temperature and power stand beside their limits, and are left out when not known', () => {
  assert.equal(heat(aGpu(0), trans), '60 / 90 °C');
  assert.equal(heat(aGpu(0, { temperature_slowdown: null }), trans), '60 °C');
  assert.equal(heat(aGpu(0, { temperature: null }), trans), '');
  assert.equal(power(aGpu(0), trans), '200 / 400 W');
  assert.equal(power(aGpu(0, { power: null }), trans), '');
});

test('a process says whose it is, or that this is not known here', () => {
  const process = {
    pid: 7,
    memory: 3 * 2 ** 30,
    name: 'python3',
    holder: JOB,
    replica: 'worker-0'
  };
  const said = (more: Partial<typeof process> | object, user = 'ada') =>
    processText({ ...process, ...more }, user, trans);
  assert.equal(said({}), 'python3 (7) · 3.0 GiB · job digits worker-0');
  assert.equal(said({}, 'root'), 'python3 (7) · 3.0 GiB · job digits worker-0 of ada');
  const hidden = { pid: null, name: '', replica: '' };
  assert.equal(said({ ...hidden, holder: OTHER }), 'process · 3.0 GiB · another person');
  assert.equal(said({ ...hidden, holder: null }), 'process · 3.0 GiB · unknown here');
  assert.equal(
    said({ holder: null, memory: null }),
    'python3 (7) · memory unknown · not of this lab'
  );
});

test('details tell what is known and nothing else', () => {
  const gpu = aGpu(0, {
    clock: 1.98e9,
    temperature_shutdown: 95,
    ecc_corrected: 4,
    ecc_uncorrected: null,
    xids: { 79: 1 },
    pcie_sent: null
  });
  assert.deepEqual(detailsOf(gpu, '575.1', trans), [
    ['Model', 'NVIDIA A100'],
    ['UUID', 'GPU-0'],
    ['Driver', '575.1'],
    ['Clock', '1\u202f980 MHz'],
    ['Temperature limits', 'slows down at 90 °C, turns off at 95 °C'],
    ['Memory errors', '4 corrected'],
    ['Driver errors', 'Xid 79 × 1']
  ]);
  assert.deepEqual(detailsOf(aGpu(0, { temperature_slowdown: null }), '', trans), [
    ['Model', 'NVIDIA A100'],
    ['UUID', 'GPU-0']
  ]);
});
