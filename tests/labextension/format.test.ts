import assert from 'node:assert/strict';
import test from 'node:test';
import * as format from '../../labextension/src/format';
import { aJob, trans } from './fakes';

test('sizes take the largest unit that fits', () => {
  for (const [bytes, text] of [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536 * 1024, '1.5 MiB'],
    [300 * 2 ** 30, '300 GiB']
  ] as const) {
    assert.equal(format.size(bytes), text);
  }
  assert.equal(format.gib(85520809984), '79.6');
});

test('ratios outside 0 and 1 are held to the scale', () => {
  assert.deepEqual([-1, 0, 0.456, 1, 7].map(format.percent), [0, 0, 46, 100, 100]);
});

test('step numbers are grouped', () => {
  assert.equal(format.count(12400), '12\u202f400');
  assert.equal(format.count(999), '999');
});

test('lengths of time are short and never negative', () => {
  for (const [seconds, text] of [
    [-5, '0 s'],
    [59.9, '59 s'],
    [60, '1 min'],
    [3 * 3600 + 300, '3 h 5 min'],
    [50 * 3600, '2 d']
  ] as const) {
    assert.equal(format.duration(seconds, trans), text);
  }
});

test('a job says how long it waited, ran or has been over', () => {
  const at = (more: object) => format.when(aJob('a', 'RUNNING', more), 1100, trans);
  assert.equal(at({ started: null, created: 1040 }), 'waiting for 1 min');
  assert.equal(at({ started: 1010 }), 'running for 1 min');
  assert.equal(at({ started: 1000, ended: 1040 }), 'ended 1 min ago after 40 s');
});

test('a job that is paused says how long it ran, whatever the clock shows now', () => {
  const paused = (more: object) => format.when(aJob('a', 'PAUSED', more), 9999, trans);
  assert.equal(paused({ ran: 3700, ended: 1040 }), 'ran for 1 h 1 min');
  assert.equal(paused({ started: null }), 'has not started');
});

test('who takes part is counted, and named where there are several roles', () => {
  const { spec } = aJob('a');
  const role = spec.roles[0];
  const roles = [
    { ...role, name: 'chief', replicas: 1 },
    { ...role, name: 'ps', replicas: 3 }
  ];
  assert.equal(format.rolesLabel(spec, trans), '2 workers');
  assert.equal(format.rolesLabel({ ...spec, strategy: 'ps', roles }, trans), '1 × chief, 3 × ps');
});

test("another person's things have no name", () => {
  const holder = { kind: 'job' as const, owner: '', name: '', id: '' };
  assert.equal(format.holderLabel(holder, trans), 'held by another person');
  assert.equal(format.holderLabel({ ...holder, name: 'digits' }, trans), 'held by job digits');
  assert.equal(format.holderLabel(null, trans), 'free');
});

test('a state that this page does not know yet is shown as it is', () => {
  assert.equal(format.stateLabel('EVICTED' as never, trans), 'EVICTED');
});

const QUANTITIES: [number, 'number' | 'bytes' | 'ratio' | 'cpus', string][] = [
  [0, 'number', '0'],
  [0.123456, 'number', '0.1235'],
  [1234567, 'number', '1.23e+6'],
  [0.00001, 'number', '1e-5'],
  [-2000000, 'number', '-2e+6'],
  [0.5, 'ratio', '50 %'],
  [2 ** 30, 'bytes', '1.0 GiB'],
  [1.5, 'cpus', '1.5']
];
for (const [value, unit, text] of QUANTITIES) {
  test(`${value} ${unit} is written ${text}`, () => {
    assert.equal(format.quantity(value, unit), text);
  });
}

test('times along an axis are told apart, and rates are short', () => {
  assert.deepEqual([0, 65, 3600, 7384, 90_061].map(format.clock), [
    '0:00',
    '1:05',
    '1:00:00',
    '2:03:04',
    '1d 1:01:01'
  ]);
  assert.equal(format.pace(3.2692, trans), '3.27 steps/s');
  assert.equal(format.pace(1234.5, trans), '1235 steps/s');
  assert.equal(format.pace(0.2, trans), '5 s per step');
});
