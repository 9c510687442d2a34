import assert from 'node:assert/strict';
import test from 'node:test';
import { GpuHistory } from '../../labextension/src/model/history';
import { sparkPath } from '../../labextension/src/view/sparkline';

const at = (history: GpuHistory, time: number, utilization: number | null) =>
  history.add(time, [{ uuid: 'a', utilization }]);

test('samples of one step are drawn as their mean, each counted once', () => {
  const history = new GpuHistory();
  at(history, 100, 0.2);
  at(history, 101.5, 0.4);
  at(history, 101.5, 0.4);
  at(history, 102, 1);
  assert.deepEqual(
    history.of('a').map(({ time, utilization }) => [time, Number(utilization.toFixed(3))]),
    [
      [100, 0.3],
      [102, 1]
    ]
  );
  assert.deepEqual(history.of('b'), []);
});

test('what came late takes its place in time', () => {
  const history = new GpuHistory();
  at(history, 110, 0.5);
  at(history, 100, 0.1);
  assert.deepEqual(
    history.of('a').map(point => point.time),
    [100, 110]
  );
});

test('the history covers the last two minutes, also after the clock was put back', () => {
  const history = new GpuHistory();
  for (let time = 0; time <= 1000; time += 10) {
    at(history, time, 0.5);
  }
  const times = history.of('a').map(point => point.time);
  assert.deepEqual([times[0], times.at(-1), times.length], [880, 1000, 13]);
  at(history, 500, 0.1);
  assert.ok(history.of('a').some(point => point.time === 500));
});

test('a value that is not known leaves a hole, and a lonely point is a dot', () => {
  const history = new GpuHistory();
  for (const [time, utilization] of [
    [100, 0],
    [102, 1],
    [104, null],
    [106, null],
    [108, null],
    [110, null],
    [120, 0.5]
  ] as const) {
    at(history, time, utilization);
  }
  assert.equal(sparkPath(history.of('a'), 120), 'M100.0 23.0h0L102.0 1.0M120.0 12.0h0');
});
