import assert from 'node:assert/strict';
import test from 'node:test';
import type { ICurve } from '../../labextension/src/history';
import {
  canBeLog,
  chartsOf,
  columnsOf,
  forLog,
  hasSteps,
  smoothed,
  summaryOf
} from '../../labextension/src/model/charts';
import { CurvesModel } from '../../labextension/src/model/curves';
import { settle } from './fakes';

const aCurve = (name: string, more: Partial<ICurve> = {}): ICurve => ({
  name,
  source: 'report',
  replica: 'worker-0',
  run: '',
  steps: [0, 1, 2],
  times: [100, 101, 102],
  values: [3, 2, 1],
  ...more
});
const usage = (name: string, replica: string) =>
  aCurve(name, { source: 'usage', replica, steps: [] });
const alone = (...curves: ICurve[]) => [{ label: '', began: 100, curves }];

test('one chart for each number: metrics by name first, then what was used', () => {
  const charts = chartsOf(
    alone(usage('memory', 'worker-0'), aCurve('loss'), usage('cpu', 'worker-0'), aCurve('acc'))
  );
  assert.deepEqual(
    charts.map(({ title, unit }) => [title, unit]),
    [
      ['acc', 'number'],
      ['loss', 'number'],
      ['CPUs', 'cpus'],
      ['Memory', 'bytes']
    ]
  );
  assert.deepEqual(charts.map(hasSteps), [true, true, false, false]);
});

const NAMED: [string, ICurve[], string[]][] = [
  ['one alone needs no words', [aCurve('loss')], ['']],
  [
    'replicas are told apart',
    [aCurve('loss'), aCurve('loss', { replica: 'worker-1' })],
    ['worker-0', 'worker-1']
  ],
  [
    'runs of event files are told apart',
    [
      aCurve('loss', { source: 'tensorboard', replica: '', run: 'train' }),
      aCurve('loss', { source: 'tensorboard', replica: '', run: 'validation' })
    ],
    ['train', 'validation']
  ],
  [
    'where it came from is said when nothing else differs',
    [aCurve('loss'), aCurve('loss', { source: 'tensorboard' })],
    ['report', 'TensorBoard']
  ]
];
for (const [what, curves, labels] of NAMED) {
  test(`in a chart, ${what}`, () => {
    const [chart] = chartsOf(alone(...curves));
    assert.deepEqual(
      chart.series.map(({ label }) => label),
      labels
    );
  });
}

test('jobs beside each other are told apart by their ids', () => {
  const [chart] = chartsOf([
    { label: 'a-1', began: 100, curves: [aCurve('loss')] },
    { label: 'b-2', began: 500, curves: [aCurve('loss', { times: [500, 501, 502] })] }
  ]);
  assert.deepEqual(
    chart.series.map(({ label, job }) => [label, job]),
    [
      ['a-1', 0],
      ['b-2', 1]
    ]
  );
  assert.deepEqual(columnsOf(chart.series, 'time', [100, 500]), [
    [0, 1, 2],
    [3, 2, 1],
    [3, 2, 1]
  ]);
});

test('steps of several series are merged; what one did not tell is no hole of its line', () => {
  const [chart] = chartsOf(
    alone(
      aCurve('loss', { steps: [0, 2, 4], values: [9, null, 7] }),
      aCurve('loss', { replica: 'worker-1', steps: [1, 2, 2], values: [5, 6, 4] })
    )
  );
  assert.deepEqual(columnsOf(chart.series, 'step', [100]), [
    [0, 1, 2, 4],
    [9, undefined, null, 7],
    [undefined, 5, 4, undefined]
  ]);
});

test('smoothing keeps holes, the length and the first value', () => {
  const values = [4, null, 0, 0];
  assert.equal(smoothed(values, 0), values);
  const [first, hole, ...rest] = smoothed(values, 0.5);
  assert.equal(first, 4);
  assert.equal(hole, null);
  assert.ok(rest.length === 2 && rest[0]! > rest[1]! && rest[1]! > 0);
});

test('a logarithmic scale leaves out what has no place on it', () => {
  assert.ok(
    !canBeLog([
      [0, 1],
      [0, -1, null]
    ])
  );
  assert.ok(
    canBeLog([
      [0, 1],
      [0, 2]
    ])
  );
  assert.deepEqual(
    forLog([
      [0, 1, 2],
      [0, 2, undefined]
    ]),
    [
      [0, 1, 2],
      [null, 2, undefined]
    ]
  );
});

test('a chart in numbers: newest, least and most, and a newest that is no number', () => {
  const [chart] = chartsOf(alone(aCurve('loss', { values: [3, 1, null] })));
  assert.deepEqual(summaryOf(chart), [
    { label: '', last: null, least: 1, most: 3, step: 2, points: 3 }
  ]);
});

test('curves are read while the job grows, once more at its end, and slower when they are long', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let reads = 0;
  let points = 10;
  const curves = async () => {
    reads += 1;
    const numbers = Array.from({ length: points }, (_, at) => at);
    const long = { steps: numbers, times: numbers, values: numbers };
    return { curves: [aCurve('loss', long)], read: 1, notes: [] };
  };
  const model = new CurvesModel({ curves }, 'a-1');
  t.after(() => model.dispose());
  const pass = async (milliseconds: number) => {
    await settle();
    t.mock.timers.tick(milliseconds);
    await settle();
  };
  const watch = model.watch();
  await pass(0);
  assert.equal(reads, 1);
  points = 50_000;
  await pass(2000);
  assert.equal(reads, 2);
  await pass(9000);
  assert.equal(reads, 2);
  await pass(1000);
  assert.equal(reads, 3);
  model.grows = false;
  await pass(0);
  assert.equal(reads, 4);
  await pass(60_000);
  assert.equal(reads, 4);
  watch.dispose();
});
