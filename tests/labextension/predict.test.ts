import assert from 'node:assert/strict';
import test from 'node:test';
import { LabError } from '../../labextension/src/errors';
import { indented, mistakeIn, pretty } from '../../labextension/src/model/jsontext';
import { PredictForm, startFor } from '../../labextension/src/model/predict';
import { aTensor, aVersion } from './servingfakes';

test('a request that is no JSON object is caught before it is sent, with its line', async () => {
  let sent = 0;
  const form = new PredictForm(async () => `${(sent += 1)}`);
  for (const [text, line] of [
    ['{"instances": [[1, 2,\n 3}', 2],
    ['[1]', null],
    ['null', null]
  ] as const) {
    form.write(text);
    await form.send();
    assert.equal(form.mistake?.line, line);
  }
  assert.deepEqual([sent, form.answer], [0, null]);
});

test('what a parser says is kept to what is wrong', () => {
  for (const text of ['{"a": }', '{"instances": [NaN]}', '{"a": 1', '']) {
    const message = mistakeIn(text)?.message ?? '';
    assert.notEqual(message, '');
    assert.doesNotMatch(message, /position|column|is not valid/);
  }
});

test('a request is sent as it was typed, and the answer comes with its time', async () => {
  const sent: string[] = [];
  let clock = 0;
  const form = new PredictForm(
    async text => {
      sent.push(text);
      clock += 12.5;
      return '{"predictions":[[0.25,0.75]]}';
    },
    () => clock
  );
  const text = '{"instances": [[12345678901234567890, 1.0]] }';
  form.write(text);
  await form.send();
  assert.deepEqual(sent, [text]);
  assert.deepEqual(form.answer, {
    status: 200,
    milliseconds: 12.5,
    text: '{"predictions": [[0.25, 0.75]]}',
    error: null
  });
});

test('what the model refuses is kept with its status and words', async () => {
  const form = new PredictForm(async () => {
    throw new LabError("input 'x' has shape [1, 3].", '', 'invalid_request', 400);
  });
  form.write('{"instances": [[1, 2, 3]]}');
  await form.send();
  assert.deepEqual(
    [form.answer?.status, form.answer?.error?.message, form.answer?.text, form.busy],
    [400, "input 'x' has shape [1, 3].", '', false]
  );
});

test('a second press while a request is under way sends nothing', async () => {
  let sent = 0;
  const form = new PredictForm(async () => `${(sent += 1)}`);
  form.write('{}');
  await Promise.all([form.send(), form.send()]);
  assert.equal(sent, 1);
});

test('an answer of many megabytes is kept whole, to be copied', async () => {
  const form = new PredictForm(async () => JSON.stringify({ p: 'x'.repeat(300_000) }));
  form.write('{}');
  await form.send();
  assert.equal(form.answer?.text.length, '{"p": ""}'.length + 2 + 300_000 + 2);
});

test('an offered request never takes the place of what a person typed', () => {
  const form = new PredictForm(async () => '');
  form.offer(aVersion(1, { example: '{"instances": [1]}' }));
  assert.equal(form.text, '{"instances": [1]}');
  form.offer(aVersion(2, { example: '{"instances": [2]}' }));
  assert.equal(form.text, '{"instances": [2]}');
  const { revision } = form;
  form.write('{"instances": [7]}');
  form.offer(aVersion(3, { example: '{"instances": [3]}' }));
  assert.deepEqual([form.text, form.revision], ['{"instances": [7]}', revision]);
  form.reset(aVersion(3, { example: '{"instances": [3]}' }));
  assert.equal(form.text, '{"instances": [3]}');
  assert.notEqual(form.revision, revision);
});

test('without an example the request starts with one row of zeros of the right shape', () => {
  assert.equal(startFor(aVersion(1)), '{"instances": [[0, 0, 0, 0]]}');
  const inputs = [aTensor('image', [null, 2, null], 'UINT8'), aTensor('on', [null], 'BOOL')];
  assert.equal(
    startFor(aVersion(1, { inputs })),
    '{"instances": [{"image": [[0], [0]], "on": false}]}'
  );
});

test('an example that is no JSON is offered as it is', () => {
  assert.equal(startFor(aVersion(1, { example: 'not {' })), 'not {');
});

test('indented JSON is the same JSON, in lines that can be read', () => {
  const value = { predictions: [Array.from({ length: 40 }, (_, i) => i / 8), []], name: 'ü"\n' };
  const text = pretty(value);
  assert.deepEqual(JSON.parse(text), value);
  assert.ok(text.split('\n').every(line => line.length <= 80));
  assert.ok(text.split('\n').length > 5);
});

test('an answer that is no JSON is shown as it came', () => {
  assert.equal(indented('{"predictions": [NaN]}'), '{"predictions": [NaN]}');
});
