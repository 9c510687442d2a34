import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LabApi } from '../../labextension/src/api';
import { LabError } from '../../labextension/src/errors';
import type { IIdle } from '../../labextension/src/labview';
import { IdleModel, rest } from '../../labextension/src/model/idle';
import type { IRequest, Send } from '../../labextension/src/tokens';

/** A lab whose end is so many seconds away from 1000 s after the epoch, and what it was asked. */
function lab(left: number | null, limit = 60, wrong = 0) {
  const asked: string[] = [];
  const state: { idle: IIdle; fails: LabError | null; now: number } = {
    idle: {
      limit,
      since: 0,
      stops: left === null ? null : 1000 + left,
      active: [],
      gpus: 1,
      now: 1000
    },
    fails: null,
    now: 1_000_000
  };
  const send = (async (path: string, { method = 'GET' }: IRequest = {}) => {
    asked.push(`${method} ${path}`);
    if (state.fails !== null) {
      throw state.fails;
    }
    if (method === 'POST') {
      state.idle = { ...state.idle, stops: state.now / 1000 + 60 * limit };
    }
    state.idle = { ...state.idle, now: (state.now + wrong) / 1000 };
    return state.idle;
  }) as Send;
  const model = new IdleModel(new LabApi(send), () => state.now);
  return { asked, model, state };
}

async function read(model: IdleModel): Promise<void> {
  const watching = model.watch();
  await new Promise(resolve => setTimeout(resolve, 20));
  watching.dispose();
}

test('a lab is warned of ten minutes before its end, and not earlier', async () => {
  const { model, state } = lab(601);
  assert.equal(model.isNear, false); // Nothing is known yet.
  await read(model);
  assert.equal(model.isNear, false);
  state.now += 2000;
  assert.equal(model.isNear, true);
  assert.equal(Math.round(model.left ?? -1), 599);
  model.dispose();
});

test('a browser whose clock is wrong warns at the right time', async () => {
  const { model, state } = lab(3601, 60, 3_000_000); // The lab's clock is 50 minutes ahead.
  await read(model);
  assert.equal(Math.round(model.left ?? -1), 601);
  state.now += 2000;
  assert.equal(model.isNear, true);
  model.dispose();
});

test('a lab with a short limit is warned of in its second half', async () => {
  const { model, state } = lab(31, 1);
  await read(model);
  assert.equal(model.isNear, false);
  state.now += 1500;
  assert.equal(model.isNear, true);
  model.dispose();
});

test('near the end each read is news, though nothing has changed but the time', async () => {
  const { model, state } = lab(700);
  let news = 0;
  model.changed.connect(() => (news += 1));
  await read(model);
  await read(model);
  assert.equal(news, 1);
  state.now += 200_000;
  await read(model);
  assert.equal(news, 2);
  model.dispose();
});

test('a lab without a limit is never warned of', async () => {
  const { model } = lab(null, 0);
  await read(model);
  assert.equal(model.left, null);
  assert.equal(model.isNear, false);
  model.dispose();
});

test('that somebody is there is said once a minute, and at once when the end is near', async () => {
  const { asked, model, state } = lab(3000);
  await read(model);
  await model.keep();
  await model.keep();
  assert.deepEqual(asked, ['GET idle', 'POST idle/keep']);
  state.now += 61_000;
  await model.keep();
  assert.equal(asked.length, 3);
  await model.keep(true);
  assert.equal(asked.length, 4);
  state.now += 55 * 60_000;
  assert.equal(model.isNear, true);
  await model.keep();
  assert.equal(asked.length, 5);
  assert.equal(model.isNear, false);
  model.dispose();
});

test('a word that was not heard is said again', async () => {
  const { asked, model, state } = lab(3000);
  await read(model);
  state.fails = new LabError('away', '', 'unreachable');
  await assert.rejects(model.keep());
  state.fails = null;
  await model.keep();
  assert.deepEqual(asked, ['GET idle', 'POST idle/keep', 'POST idle/keep']);
  model.dispose();
});

test('a server that is no lab of a hub is asked once, and never told anything', async () => {
  const { asked, model, state } = lab(3000);
  state.fails = new LabError('no', '', 'not_found', 404);
  await read(model);
  await model.keep(true);
  assert.deepEqual(asked, ['GET idle']);
  model.dispose();
});

test('what is left is told in minutes, and in seconds at the end', () => {
  assert.deepEqual(rest(600), { minutes: 10, seconds: 0 });
  assert.deepEqual(rest(61), { minutes: 2, seconds: 0 });
  assert.deepEqual(rest(60), { minutes: 0, seconds: 60 });
  assert.deepEqual(rest(0.4), { minutes: 0, seconds: 1 });
  assert.deepEqual(rest(0), { minutes: 0, seconds: 0 });
});
