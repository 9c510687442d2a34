import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { IJobFilter } from '../../labextension/src/history';
import { LabError } from '../../labextension/src/errors';
import { exported, imported } from '../../labextension/src/model/exchange';
import { gpuHours, RunsModel } from '../../labextension/src/model/runs';
import type { IJob } from '../../labextension/src/specs';
import { aJob, settle } from './fakes';

const many = (from: number, to: number): IJob[] =>
  Array.from({ length: to - from }, (_, at) =>
    aJob(`run-${from + at}`, 'SUCCEEDED', { created: 9000 - from - at })
  );

type Ask = [Partial<IJobFilter>, number, string | null];

async function aHistory(
  t: TestContext,
  older = many(50, 60)
): Promise<[RunsModel, Ask[], (ms: number) => Promise<void>]> {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const asked: Ask[] = [];
  const model = new RunsModel({
    jobs: async (where, limit, next = null) => {
      asked.push([where, limit, next]);
      return next === null
        ? { jobs: many(0, limit), next: 'second' }
        : { jobs: [...older], next: null };
    }
  });
  const watch = model.watch();
  t.after(() => {
    watch.dispose();
    model.dispose();
  });
  const pass = async (milliseconds: number) => {
    await settle();
    t.mock.timers.tick(milliseconds);
    await settle();
  };
  await pass(0);
  return [model, asked, pass];
}

test('older runs come page by page, and a page is read again while it may change', async t => {
  const older = many(50, 60);
  const [model, asked, pass] = await aHistory(t, older);
  const read = () => asked.splice(0).map(([, , next]) => next);
  assert.equal(model.jobs?.length, 50);
  assert.ok(model.hasMore);
  model.showMore();
  await pass(0);
  assert.equal(model.jobs?.length, 60);
  assert.ok(!model.hasMore);
  assert.deepEqual(read(), [null, null, 'second']);
  // All of the second page has ended: only now and then is it looked at.
  for (let ten = 0; ten < 5; ten++) {
    await pass(10_000);
    assert.deepEqual(read(), [null]);
    assert.equal(model.jobs?.length, 60);
  }
  older[3] = aJob('run-53', 'RUNNING');
  await pass(10_000);
  assert.deepEqual(read(), [null, 'second']);
  for (let ten = 0; ten < 2; ten++) {
    older[3] = aJob('run-53', 'RUNNING', { attempt: ten });
    await pass(10_000);
    assert.deepEqual(read(), [null, 'second']);
    assert.equal(model.jobs?.[53].attempt, ten);
  }
  older[3] = aJob('run-53', 'SUCCEEDED');
  await pass(10_000);
  await pass(10_000);
  assert.deepEqual(read(), [null, 'second', null]);
  // Something was done with one of them.
  older.pop();
  model.refresh();
  await pass(0);
  assert.deepEqual(read(), [null, 'second']);
  assert.equal(model.jobs?.length, 59);
});

test('a run that comes moves the others to the next page; none is lost', async t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const runs = many(0, 120);
  let count = 0;
  const model = new RunsModel({
    jobs: async (_, limit, next = null) => {
      count += 1;
      const from = next === null ? 0 : runs.findIndex(({ id }) => id === next) + 1;
      const jobs = runs.slice(from, from + limit);
      return { jobs, next: from + limit < runs.length ? jobs[limit - 1].id : null };
    }
  });
  const watch = model.watch();
  t.after(() => {
    watch.dispose();
    model.dispose();
  });
  for (let page = 0; page < 3; page++) {
    await settle();
    model.showMore();
    t.mock.timers.tick(0);
    await settle();
  }
  const ids = () => model.jobs?.map(({ id }) => id);
  assert.deepEqual(
    ids(),
    runs.map(({ id }) => id)
  );
  runs.unshift(aJob('new', 'RUNNING'));
  t.mock.timers.tick(10_000);
  await settle();
  assert.deepEqual(
    ids(),
    runs.map(({ id }) => id)
  );
  count = 0;
  t.mock.timers.tick(10_000);
  await settle();
  assert.equal(count, 1);
});

test('what is typed is looked for when nobody types any more', async t => {
  const [model, asked, pass] = await aHistory(t);
  for (const text of ['d', 'di', 'digits ']) {
    model.want({ text });
    await pass(100);
  }
  assert.equal(asked.length, 1);
  model.want({ state: 'FAILED', favourite: true });
  await pass(250);
  await pass(0);
  assert.equal(asked.length, 2);
  const [where] = asked[1];
  assert.deepEqual(
    [where.text, where.state, where.favourite, where.tag, where.since],
    ['digits', ['FAILED'], true, null, null]
  );
  model.want({ days: '7' });
  assert.ok(Math.abs(model.filter.since! - (Date.now() / 1000 - 7 * 86400)) < 5);
});

test('those that are marked stay so in their order, until they are no longer shown', async t => {
  const [model, , pass] = await aHistory(t);
  model.showMore();
  await pass(0);
  model.mark('run-55', true);
  model.mark('run-3', true);
  assert.deepEqual(
    model.chosen.map(({ id }) => id),
    ['run-55', 'run-3']
  );
  model.want({ tag: 'x' });
  await pass(250);
  await pass(0);
  assert.deepEqual(model.marked, ['run-3']);
  model.markAll(false);
  assert.deepEqual(model.marked, []);
});

const HOURS: [number, string][] = [
  [0, ''],
  [10, '< 0.01'],
  [5400, '1.50'],
  [360_000, '100.0']
];
for (const [seconds, text] of HOURS) {
  test(`${seconds} GPU-seconds are ${text || 'nothing'} hours`, () => {
    assert.equal(gpuHours(aJob('a', 'SUCCEEDED', { gpu_seconds: seconds })), text);
  });
}

test('an export is one line for each record, over all pages', async () => {
  const record = (id: string) => ({ job: aJob(id, 'SUCCEEDED') }) as never;
  const told: number[] = [];
  const api = {
    record: async (id: string) => record(id),
    records: async (_: unknown, __: number, next: string | null = null) =>
      next === null
        ? { records: [record('a'), record('b')], next: 'more' }
        : { records: [record('c')], next: null }
  };
  const all = await exported(api, {}, count => told.push(count));
  assert.deepEqual(
    all.map(line => JSON.parse(line).job.id),
    ['a', 'b', 'c']
  );
  assert.ok(all.every(line => line.endsWith('\n') && line.indexOf('\n') === line.length - 1));
  assert.deepEqual(told, [1, 2, 3]);
  assert.equal((await exported(api, ['x'], () => undefined)).length, 1);
});

test('an import is sent in pieces; a line that is no record is named and nothing is sent', async () => {
  const sent: number[] = [];
  const api = {
    takeIn: async (records: readonly object[]) => {
      sent.push(records.length);
      return { added: records.map((_, at) => String(at)), known: [] };
    }
  };
  const line = '{"job": {"id": "a"}}\n';
  const { added } = await imported(api, line.repeat(45), at => `line ${at}`);
  assert.deepEqual(sent, [20, 20, 5]);
  assert.equal(added.length, 45);
  for (const bad of ['<html>', '[1]', '{"x": 1}', 'null', '{"job"']) {
    await assert.rejects(
      imported(api, `${line}\r\n\n${bad}\n${line}`, at => `line ${at}`),
      (error: LabError) => error.message === 'line 4'
    );
  }
  assert.equal(sent.length, 3);
});
