import assert from 'node:assert/strict';
import test from 'node:test';
import { AccessApi, type IAccess, type IEndpoint } from '../../labextension/src/access';
import { expiryLabel } from '../../labextension/src/accesstext';
import { LabApi } from '../../labextension/src/api';
import { LabError } from '../../labextension/src/errors';
import { AccessModel } from '../../labextension/src/model/access';
import { EndpointModel, EndpointsModel } from '../../labextension/src/model/endpoints';
import type { IRequest, Send } from '../../labextension/src/tokens';
import { Shared } from '../../labextension/src/view/shared';
import { moment, trans, wordsOf } from './fakes';

const KEY = { id: '0a1b2c3d', title: 'shop', created: 1000, expires: null, used: null };
const MADE = { ...KEY, key: 'dlk_0a1b2c3d_secret' };
const ACCESS: IAccess = { callers: { who: 'groups', groups: ['vision', 'text'] }, keys: [KEY] };
const ENDPOINT: IEndpoint = {
  owner: 'grace',
  name: 'digits',
  model: 'digits',
  version: 3,
  state: 'READY',
  url: '/dllab/serve/grace/digits/',
  inputs: [],
  outputs: [],
  example: ''
};

/** A server that remembers what it was asked, answers by method and path, and refuses what it shall. */
function aServer(answers: Record<string, unknown>) {
  const asked: [string, unknown][] = [];
  const send = (async (path: string, { method = 'GET', body, query }: IRequest = {}) => {
    asked.push([`${method} ${path}`, body ?? query]);
    const answer = answers[`${method} ${path}`];
    if (answer instanceof LabError) {
      throw answer;
    }
    return answer;
  }) as Send;
  return { asked, answers, api: new AccessApi(send), lab: new LabApi(send) };
}

async function aModel(answers: Record<string, unknown> = {}) {
  const server = aServer({ 'GET deployments/a/access': ACCESS, ...answers });
  const model = new AccessModel(server.api, 'a');
  model.refresh();
  await moment();
  server.asked.length = 0;
  return { ...server, model };
}

test('who may ask is shown as it is, and what a person has written since stays', async () => {
  const { model } = await aModel();
  const { callers } = model;
  assert.deepEqual(
    [callers.who, callers.groups, callers.isChanged],
    ['groups', 'vision, text', false]
  );
  callers.set({ groups: 'vision' });
  assert.equal(callers.isChanged, true);
  model.refresh();
  await moment();
  assert.equal(callers.groups, 'vision');
  model.dispose();
});

test('groups are sent as names, each once; with another choice there are none', async () => {
  const { model, asked } = await aModel({ 'PUT deployments/a/access': ACCESS });
  model.callers.set({ groups: ' vision,, text ,vision' });
  assert.equal(await model.callers.submit(), true);
  model.callers.set({ who: 'everyone' });
  assert.equal(await model.callers.submit(), true);
  assert.deepEqual(asked.slice(0, 2), [
    ['PUT deployments/a/access', { who: 'groups', groups: ['vision', 'text'] }],
    ['PUT deployments/a/access', { who: 'everyone', groups: [] }]
  ]);
  model.dispose();
});

test('what cannot be sent is not, and what the server refuses stands at its field', async () => {
  const refusal = new LabError('is no group.', '', 'invalid_request', 400, 'groups.1');
  const { model, asked } = await aModel({ 'PUT deployments/a/access': refusal });
  for (const groups of ['', ' , ', 'a\u0007', 'x'.repeat(256)]) {
    model.callers.set({ groups });
    assert.equal(await model.callers.submit(), false);
    assert.deepEqual([model.callers.field, model.callers.error, asked], ['groups', null, []]);
  }
  model.callers.set({ groups: 'a, b' });
  assert.equal(await model.callers.submit(), false);
  assert.deepEqual([model.callers.field, model.callers.error], ['groups', refusal]);
  // What is not about the field stands below the form.
  model.callers.set({ who: 'owner' });
  assert.equal(await model.callers.submit(), false);
  assert.deepEqual([model.callers.field, model.callers.error], [null, refusal]);
  model.dispose();
});

test('a new key is there until it is put away, and never in what is known of keys', async () => {
  const { model, asked } = await aModel({ 'POST deployments/a/keys': MADE });
  const { key } = model;
  assert.equal(await key.submit(), false);
  assert.equal(key.field, 'title');
  key.set({ title: ' shop ', lifetime: 30 * 86400 });
  assert.equal(await key.submit(), true);
  assert.deepEqual(asked[0], ['POST deployments/a/keys', { title: 'shop', lifetime: 2592000 }]);
  assert.deepEqual([key.made, key.title], [MADE, '']);
  await moment();
  assert.ok(!JSON.stringify(model.access).includes(MADE.key));
  key.putAway();
  assert.equal(key.made, null);
  model.dispose();
});

test('a refused key says why, at its field where it has one', async () => {
  const full = new LabError('has 50 keys already.', 'Revoke one.', 'conflict', 409);
  const { model, answers } = await aModel({ 'POST deployments/a/keys': full });
  model.key.set({ title: 'x'.repeat(80), lifetime: null });
  assert.equal(await model.key.submit(), false);
  assert.deepEqual([model.key.field, model.key.error, model.key.made], [null, full, null]);
  answers['POST deployments/a/keys'] = new LabError('is bad.', '', 'invalid_request', 400, 'title');
  assert.equal(await model.key.submit(), false);
  assert.equal(model.key.field, 'title');
  model.dispose();
});

test('keys are read again after one was revoked, also when that failed', async () => {
  const { model, asked, answers } = await aModel({ 'DELETE deployments/a/keys/0a1b2c3d': {} });
  answers['GET deployments/a/access'] = { ...ACCESS, keys: [] };
  await model.revoke(KEY.id);
  await moment();
  assert.deepEqual(
    asked.map(([what]) => what),
    ['DELETE deployments/a/keys/0a1b2c3d', 'GET deployments/a/access']
  );
  assert.deepEqual(model.access?.keys, []);
  model.key.made = MADE;
  await model.revoke(KEY.id);
  assert.equal(model.key.made, null);
  answers['DELETE deployments/a/keys/0a1b2c3d'] = new LabError('no.', '', 'not_found', 404);
  await assert.rejects(model.revoke(KEY.id), /no\./);
  model.dispose();
});

test('nothing is asked for while nobody looks', async () => {
  const { api, asked } = aServer({ 'GET deployments/a/access': ACCESS });
  const model = new AccessModel(api, 'a');
  await moment();
  assert.deepEqual(asked, []);
  const watching = model.watch();
  await moment();
  assert.equal(asked.length, 1);
  watching.dispose();
  model.dispose();
});

test('when a key ends is told in words', () => {
  const ends = (expires: number | null) => expiryLabel({ ...KEY, expires }, 1000, trans);
  assert.deepEqual(
    [ends(null), ends(1000), ends(990 + 30 * 86400), ends(1090)],
    ['never', 'expired', 'in 30 d', 'in 1 min']
  );
});

test('shared are those of others; where a server has none there is no heading', async () => {
  const own = { ...ENDPOINT, owner: 'ada' };
  const { api, answers } = aServer({ 'GET endpoints': { endpoints: [own, ENDPOINT], next: null } });
  const model = new EndpointsModel(api, Promise.resolve('ada'));
  model.refresh();
  await moment();
  assert.deepEqual(model.endpoints, [ENDPOINT]);
  const opened: string[] = [];
  const actions = { openEndpoint: (...which: string[]) => void opened.push(...which) };
  const words = (endpoints: readonly IEndpoint[]) => wordsOf(Shared({ endpoints, actions, trans }));
  assert.match(words(model.endpoints ?? []), /^Shared with yougrace\/digitsReady$/);
  for (const code of ['not_found', 'unavailable']) {
    answers['GET endpoints'] = new LabError('no.', '', code, 404);
    model.refresh();
    await moment();
    assert.deepEqual([model.endpoints, model.error], [[], null]);
  }
  assert.equal(words([]), '');
  answers['GET endpoints'] = new LabError('no.', '', 'internal', 500);
  model.refresh();
  await moment();
  assert.equal(model.error?.code, 'internal');
  model.dispose();
});

test('a deployment of another person is read and asked under its owner', async () => {
  const { api, lab, asked, answers } = aServer({
    'GET endpoints/grace/digits': ENDPOINT,
    'POST deployments/digits/predict': '{}'
  });
  const model = new EndpointModel(api, 'grace', 'digits');
  model.refresh();
  await moment();
  assert.deepEqual([model.deployment, model.version, model.gone], [ENDPOINT, ENDPOINT, false]);
  await lab.predict('digits', '{"instances": []}', null, 'grace');
  assert.equal(asked[1][0], 'POST deployments/digits/predict');
  answers['GET endpoints/grace/digits'] = new LabError('no.', '', 'not_found', 404);
  model.refresh();
  await moment();
  assert.equal(model.gone, true);
  model.dispose();
});
