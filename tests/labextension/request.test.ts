import assert from 'node:assert/strict';
import test from 'node:test';
import type { ServerConnection } from '@jupyterlab/services';
import { LabError } from '../../labextension/src/errors';
import { sender } from '../../labextension/src/request';
import { trans } from './fakes';

/** What a server answers, in order, and a function that asks it. */
function aSender(...answers: [status: number, body: string][]) {
  const settings = {
    baseUrl: 'http://lab/',
    init: {},
    fetch: async () => {
      const [status, body] = answers.shift()!;
      return new Response(body, { status });
    },
    Headers,
    Request,
    token: '',
    serializer: {}
  } as unknown as ServerConnection.ISettings;
  const send = sender(settings, trans);
  return () => send('jobs').then(String, reason => reason as LabError);
}

test('a server that never answered as the lab has no part of ours', async () => {
  const error = await aSender([404, '<html>'])();
  assert.ok(error instanceof LabError);
  assert.match(error.message, /does not have the server part/);
  assert.equal(error.isGone, false);
});

test('who answers in place of a lab that was there says nothing of what is there', async () => {
  for (const status of [404, 424, 502, 503, 504]) {
    const ask = aSender([200, '{}'], [status, '{"message": "Not Found"}']);
    await ask();
    const error = await ask();
    assert.ok(error instanceof LabError);
    assert.equal(error.message, 'Your lab does not answer.');
    assert.equal(error.isGone, false);
  }
});

test('what the lab says is not there is gone', async () => {
  const body = { error: { code: 'not_found', message: 'there is no job x.' } };
  const error = await aSender([404, JSON.stringify(body)])();
  assert.ok(error instanceof LabError && error.isGone);
});
