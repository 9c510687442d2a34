import assert from 'node:assert/strict';
import test from 'node:test';
import { LabError } from '../../labextension/src/errors';
import { barRows, differences } from '../../labextension/src/model/answer';
import { PredictForm } from '../../labextension/src/model/predict';

test('rows of numbers are bars, as long as they are large, and the largest one is marked', () => {
  const [row] = barRows('{"predictions": [[0.5, -1, 0.25]]}');
  assert.deepEqual(row, {
    output: '',
    row: 0,
    bars: [
      { index: 0, value: 0.5, share: 0.5, isLargest: true },
      { index: 1, value: -1, share: 1, isLargest: false },
      { index: 2, value: 0.25, share: 0.25, isLargest: false }
    ]
  });
});

test('of two that are equally large none is the largest', () => {
  const [row] = barRows('{"predictions": [[0, 0]]}');
  assert.deepEqual(
    row.bars.map(({ share, isLargest }) => [share, isLargest]),
    [
      [0, false],
      [0, false]
    ]
  );
});

test('several outputs and the other protocol have bars as well', () => {
  const v1 = barRows('{"predictions": [{"a": [1, 2], "b": 7}, {"a": [3, 4], "b": 8}]}');
  assert.deepEqual(
    v1.map(({ output, row }) => [output, row]),
    [
      ['a', 0],
      ['a', 1]
    ]
  );
  const v2 = barRows('{"outputs": [{"name": "y", "shape": [2, 2], "data": [1, 2, 3, 4]}]}');
  assert.deepEqual(
    v2.map(({ output, row, bars }) => [output, row, bars.map(({ value }) => value)]),
    [
      ['y', 0, [1, 2]],
      ['y', 1, [3, 4]]
    ]
  );
});

test('what is no row of 2 to 100 numbers has no bars', () => {
  const long = JSON.stringify({ predictions: [Array(101).fill(1)] });
  for (const text of [
    '',
    'null',
    '5',
    'not',
    '{"predictions": [1, 2]}',
    '{"predictions": [[1]]}',
    '{"predictions": [[1, null]]}',
    '{"predictions": [["a", "b"]]}',
    '{"predictions": [[[1, 2], [3, 4]]]}',
    '{"predictions": [null]}',
    '{"outputs": [{"name": "y", "shape": [2, 2], "data": [1]}]}',
    '{"outputs": [null]}',
    long
  ]) {
    assert.deepEqual(barRows(text), [], text);
  }
});

test('values that differ are pieces of their own; noise of arithmetic is no difference', () => {
  const found = differences(
    '{"predictions": [[0.1, 2.0000000001, "a"]]}',
    '{"predictions":\n[[0.2, 2.0, "b"]]}'
  );
  assert.deepEqual(
    found?.map(pieces => pieces.filter(piece => piece.differs).map(({ text }) => text)),
    [
      ['0.1', '"a"'],
      ['0.2', '"b"']
    ]
  );
  assert.equal(
    found?.[0].map(({ text }) => text).join(''),
    '{"predictions": [[0.1, 2.0000000001, "a"]]}'
  );
});

test('answers of another form are not compared value by value', () => {
  assert.equal(differences('{"a": [1]}', '{"a": [1, 2]}'), null);
  assert.deepEqual(differences('{}', '{}'), [
    [{ text: '{}', differs: false }],
    [{ text: '{}', differs: false }]
  ]);
});

test('both versions are asked the same at once, each with its time and its own refusal', async () => {
  let clock = 0;
  const asked: unknown[] = [];
  const form = new PredictForm(
    async (text, version) => {
      asked.push([text, version]);
      if (version === 4) {
        throw new LabError('the model did not answer.', '', 'unavailable', 503);
      }
      return '{"predictions": [1]}';
    },
    () => (clock += 10)
  );
  form.write('{"instances": [1]}');
  await form.compare([3, 4]);
  assert.deepEqual(asked, [
    ['{"instances": [1]}', 3],
    ['{"instances": [1]}', 4]
  ]);
  assert.deepEqual(
    form.both?.map(({ version, status, text }) => [version, status, text]),
    [
      [3, 200, '{"predictions": [1]}'],
      [4, 503, '']
    ]
  );
  assert.ok(form.both?.every(({ milliseconds }) => milliseconds > 0));
  const { answer } = form;
  await form.send();
  assert.deepEqual([answer, form.both, form.answer?.status], [null, null, 200]);
});
