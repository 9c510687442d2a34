import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { LabError } from '../../labextension/src/errors';
import { BoardsModel, boardLink, boardsLink } from '../../labextension/src/model/boards';
import { CapacityModel } from '../../labextension/src/model/capacity';
import { firstFailure, JobModel } from '../../labextension/src/model/job';
import { JobsModel } from '../../labextension/src/model/jobs';
import type { IJob, IReplica, JobState } from '../../labextension/src/specs';
import { aJob, anApi, moment, settle } from './fakes';

const free = (free: number) => ({ total: 9, free, holders: [], forecast: null });

/** Move the clock and let what it started finish. */
async function pass(t: TestContext, milliseconds: number): Promise<void> {
  t.mock.timers.tick(milliseconds);
  await settle();
}

test('a model is read only while somebody watches it', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let reads = 0;
  const model = new CapacityModel(anApi({ capacity: async () => free(++reads) }));
  t.after(() => model.dispose());
  await settle();
  await pass(t, 60_000);
  assert.equal(reads, 0);
  const watch = model.watch();
  await settle();
  await pass(t, 0);
  assert.equal(reads, 1);
  await pass(t, 5000);
  await pass(t, 5000);
  assert.equal(reads, 3);
  watch.dispose();
  await pass(t, 5000);
  await pass(t, 60_000);
  assert.equal(reads, 3);
});

test('what is followed is read slowly while nobody looks', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let reads = 0;
  const model = new CapacityModel(anApi({ capacity: async () => free(++reads) }));
  t.after(() => model.dispose());
  const follows = [model.follow(), model.follow()];
  await settle();
  await pass(t, 0);
  assert.equal(reads, 1);
  follows[0].dispose();
  await pass(t, 14_000);
  assert.equal(reads, 1);
  await pass(t, 1000);
  assert.equal(reads, 2);
  follows[1].dispose();
  await pass(t, 60_000);
  assert.equal(reads, 2);
});

test('a failing read keeps the last values, tells why and is tried less often', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let reads = 0;
  let broken = false;
  const capacity = async () => {
    reads += 1;
    if (broken) {
      throw new LabError('gone.', '', 'unavailable', 503);
    }
    return free(reads);
  };
  const model = new CapacityModel(anApi({ capacity }));
  t.after(() => model.dispose());
  const watch = model.watch();
  await settle();
  await pass(t, 0);
  broken = true;
  for (let i = 0; i < 60; i++) {
    await pass(t, 1000);
  }
  assert.equal(model.error?.message, 'gone.');
  assert.equal(model.capacity?.free, 1);
  assert.ok(reads > 2 && reads < 15, `${reads} reads in a minute`);
  broken = false;
  model.refresh();
  await settle();
  await pass(t, 0);
  assert.equal(model.error, null);
  watch.dispose();
});

/** Read a model once, as if somebody had pressed refresh. */
async function read(model: { refresh(): void }): Promise<void> {
  model.refresh();
  await moment();
}

test('each ending and each relaunch of a job is told once', async t => {
  let jobs: IJob[] = [aJob('a'), aJob('b', 'SUCCEEDED')];
  const model = new JobsModel(anApi({ jobs: async () => ({ jobs, next: null }) }));
  t.after(() => model.dispose());
  const told: string[] = [];
  model.ended.connect((_, job) => told.push(`${job.id} ${job.state}`));
  model.restarted.connect((_, job) => told.push(`${job.id} again ${job.attempt}`));
  await read(model);
  assert.deepEqual(told, []);
  for (const [state, attempt] of [
    ['RESTARTING', 1],
    ['RUNNING', 2],
    ['RUNNING', 3],
    ['FAILED', 3],
    ['FAILED', 3]
  ] as const) {
    jobs = [aJob('a', state, { attempt }), aJob('b', 'SUCCEEDED')];
    await read(model);
  }
  assert.deepEqual(told, ['a again 1', 'a again 3', 'a FAILED']);
});

test('a pause is told once, and a resumed job is no relaunch', async t => {
  let job = aJob('a');
  const asked: string[] = [];
  const answer = (verb: string, state: JobState) => async (id: string) => {
    asked.push(`${verb} ${id}`);
    job = aJob(id, state);
    return job;
  };
  const model = new JobsModel(
    anApi({
      jobs: async () => ({ jobs: [job], next: null }),
      pause: answer('pause', 'PAUSED'),
      resume: answer('resume', 'PENDING')
    })
  );
  t.after(() => model.dispose());
  const told: string[] = [];
  model.paused.connect((_, job) => told.push(`${job.id} paused`));
  model.restarted.connect((_, job) => told.push(`${job.id} again`));
  model.ended.connect((_, job) => told.push(`${job.id} ended`));
  await read(model);
  assert.equal(model.alive, 1);
  await model.pause('a');
  await read(model);
  assert.deepEqual([told, model.alive, model.jobs?.[0].state], [['a paused'], 0, 'PAUSED']);
  await model.resume('a');
  assert.equal(model.alive, 1);
  for (const [state, attempt] of [
    ['PENDING', 1],
    ['RUNNING', 2],
    ['SUCCEEDED', 2]
  ] as const) {
    job = aJob('a', state, { attempt });
    await read(model);
  }
  assert.deepEqual(told, ['a paused', 'a ended']);
  assert.deepEqual(asked, ['pause a', 'resume a']);
});

test('a job in sight is read often while it is under way, and seldom while it can be resumed', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  for (const [state, most, least] of [
    ['RUNNING', 11, 8],
    ['PAUSED', 3, 2],
    ['FAILED', 3, 2],
    ['SUCCEEDED', 1, 1]
  ] as const) {
    let reads = 0;
    const job = async () => {
      reads += 1;
      return aJob('a', state);
    };
    const model = new JobModel(anApi({ job }), 'a');
    const watch = model.watch();
    await pass(t, 0);
    for (let i = 0; i < 10; i++) {
      await pass(t, 1000);
    }
    watch.dispose();
    model.dispose();
    assert.ok(reads >= least && reads <= most, `${state}: ${reads} reads in 10 s`);
  }
});

test('older pages stay, and what lives in them is kept up to date', async t => {
  const all = Array.from({ length: 45 }, (_, i) =>
    aJob(`j${i}`, i === 30 ? 'RUNNING' : 'SUCCEEDED', { created: 1000 - i })
  );
  const api = anApi({
    jobs: async (limit: number, next: string | null = null) => {
      const at = next === null ? 0 : Number(next);
      const page = all.slice(at, at + limit);
      return {
        jobs: page,
        next: at + limit < all.length ? String(at + limit) : null
      };
    },
    job: async (id: string) => all.find(job => job.id === id)
  });
  const model = new JobsModel(api);
  t.after(() => model.dispose());
  await read(model);
  assert.deepEqual([model.jobs?.length, model.hasMore], [20, true]);
  await model.showMore();
  await model.showMore();
  assert.deepEqual([model.jobs?.length, model.hasMore], [45, false]);
  all[30] = aJob('j30', 'FAILED', { created: 970 });
  await read(model);
  assert.equal(model.jobs?.length, 45);
  assert.equal(model.jobs?.[30].state, 'FAILED');
});

test('a board shows the jobs below its directory, the nearest first', async t => {
  const boards = [
    { name: 'all', url: '/all', logdir: '/tb/' },
    { name: 'ada', url: '/ada', logdir: '/tb/ada' },
    { name: 'other', url: '/other', logdir: '/tb/ada/a' }
  ];
  const model = new BoardsModel(anApi({ boards: async () => boards }));
  t.after(() => model.dispose());
  assert.equal(model.of(aJob('ab')), null);
  await read(model);
  assert.equal(model.of(aJob('ab'))?.name, 'ada');
  assert.equal(model.of(aJob('a'))?.name, 'other');
  assert.equal(model.of(aJob('a', 'RUNNING', { tensorboard: '' })), null);
});

test('a board of many jobs is opened at the one that was asked for', () => {
  const link = (url: string, logdir: string) =>
    boardLink({ name: 'x', url, logdir }, aJob('a-1'), 'http://h/user/ada/');
  const filtered = 'http://h/user/ada/tensorboard/?runFilter=a-1#timeseries';
  assert.equal(link('/user/ada/tensorboard/', '/tb/ada'), filtered);
  assert.equal(link('tensorboard/', '/tb/ada/'), filtered);
  assert.equal(link('/tensorboard/', '/tb/ada/a-1/'), 'http://h/tensorboard/');
  assert.equal(link('javascript:alert(1)', '/tb/ada'), null);
});

test('the board of all jobs is the one that shows the most', () => {
  const boards = [
    { name: 'one', url: '/one/', logdir: '/tb/ada/a' },
    { name: 'all', url: '/all/', logdir: '/tb/ada' }
  ];
  assert.equal(boardsLink(boards, 'http://h/'), 'http://h/all/');
  assert.equal(boardsLink([], 'http://h/'), null);
  assert.equal(boardsLink([{ name: 'x', url: 'javascript:0', logdir: '' }], 'http://h/'), null);
});

test('the first failure is the cause, not those that were ended because of it', () => {
  const replica = (index: number, state: IReplica['state'], ended: number | null) =>
    ({ role: 'worker', index, state, ended }) as IReplica;
  const replicas = [replica(0, 'CANCELLED', 4), replica(1, 'FAILED', 6), replica(2, 'FAILED', 5)];
  assert.equal(firstFailure(aJob('a', 'FAILED', { replicas }))?.index, 2);
  assert.equal(firstFailure(aJob('a')), null);
});
