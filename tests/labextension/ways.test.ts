import assert from 'node:assert/strict';
import test from 'node:test';
import { Pad } from '../../labextension/src/model/pad';
import {
  pictureText,
  rangeOf,
  rangesFor,
  rgbaOf,
  valuesOf
} from '../../labextension/src/model/picture';
import { PictureForm } from '../../labextension/src/model/pictureform';
import { PredictForm } from '../../labextension/src/model/predict';
import { columnsOf, type IPicture, pictureOf, waysFor } from '../../labextension/src/model/ways';
import { aTensor, aVersion } from './servingfakes';

const any = null;

test('a way is offered only where it fits what the model takes', () => {
  for (const [shape, ways] of [
    [[any, 4], 'json table'],
    [[any, 50], 'json table'],
    [[any, 51], 'json'],
    [[any, any], 'json'],
    [[any], 'json'],
    [[], 'json'],
    [[any, 64], 'json image draw'],
    [[any, 784], 'json image draw'],
    [[any, 28, 28], 'json image draw'],
    [[any, 1, 28, 28], 'json image draw'],
    [[1, 28, 28, 1], 'json image draw'],
    [[any, 3, 224, 224], 'json image'],
    [[any, 224, 224, 3], 'json image'],
    [[any, 10, 4], 'json'],
    [[any, 2, 28, 28], 'json'],
    [[any, 3, any, any], 'json'],
    [[5, 28, 28], 'json'],
    [[any, 3, 4000, 4000], 'json']
  ] as const) {
    assert.equal(waysFor([aTensor('x', [...shape])]).join(' '), ways, JSON.stringify(shape));
  }
  assert.equal(waysFor([aTensor('x', [any, 28, 28], 'BYTES')]).join(' '), 'json');
});

test('several inputs of rows are one table, whose heads name them', () => {
  const inputs = [aTensor('a', [any, 2]), aTensor('b', [any], 'BOOL')];
  assert.deepEqual(
    columnsOf(inputs).map(({ head, index }) => [head, index]),
    [
      ['a 0', 0],
      ['a 1', 1],
      ['b', null]
    ]
  );
  assert.deepEqual(waysFor(inputs), ['json', 'table']);
  assert.deepEqual(waysFor([...inputs, aTensor('c', [any, 3, 3])]), ['json']);
});

function picture(more: Partial<IPicture> = {}): IPicture {
  return { height: 1, width: 2, channels: 1, place: 'none', whole: false, ...more };
}

test('a picture becomes numbers in the order of the axes that the model has', () => {
  // A red pixel and a white one.
  const rgba = [255, 0, 0, 255, 255, 255, 255, 255];
  const sent = (more: Partial<IPicture>, range: 1 | 255 = 1) => {
    const shape = picture(more);
    return JSON.parse(pictureText(valuesOf(rgba, shape, false), shape, range)).instances;
  };
  assert.deepEqual(sent({}), [[[0.299, 1]]]);
  assert.deepEqual(sent({ place: 'flat' }), [[0.299, 1]]);
  assert.deepEqual(sent({ place: 'first' }), [[[[0.299, 1]]]]);
  assert.deepEqual(sent({ place: 'last' }), [[[[0.299], [1]]]]);
  assert.deepEqual(sent({ place: 'first', channels: 3 }, 255), [
    [[[255, 255]], [[0, 255]], [[0, 255]]]
  ]);
  assert.deepEqual(sent({ place: 'last', channels: 3 }, 255), [
    [
      [
        [255, 0, 0],
        [255, 255, 255]
      ]
    ]
  ]);
});

test('what can be seen through is white, and light and dark can be exchanged', () => {
  const seen = [0, 0, 0, 0, 0, 0, 0, 255];
  assert.deepEqual([...valuesOf(seen, picture(), false)].map(Math.round), [1, 0]);
  assert.deepEqual([...valuesOf(seen, picture(), true)].map(Math.round), [0, 1]);
});

test('what is shown is what is sent', () => {
  assert.deepEqual([...rgbaOf([0, 1], picture())], [0, 0, 0, 255, 255, 255, 255, 255]);
  const colours = picture({ width: 1, channels: 3, place: 'last' });
  assert.deepEqual([...rgbaOf([1, 0, 0.2], colours)], [255, 0, 51, 255]);
});

test('an input of whole numbers gets whole numbers, and the example says how large they are', () => {
  const whole = picture({ whole: true });
  assert.equal(pictureText([0.5, 1], whole, 255), '{"instances": [[\n[128, 255]\n]]}');
  assert.deepEqual(rangesFor(whole), [255]);
  assert.deepEqual(rangesFor(picture({ height: 8, width: 8 })), [1, 255, 16]);
  assert.equal(rangeOf('{"instances": [[0, 16.0, 3]]}'), 16);
  assert.equal(rangeOf('{"instances": [{"x99": [0.5]}]}'), 1);
  assert.equal(rangeOf('{"instances": [[0, 200]]}'), 255);
  assert.equal(rangeOf(''), null);
});

test('a stroke leaves light where it went and dark elsewhere, also beyond the edge', () => {
  const pad = new Pad(8, 8);
  assert.ok(pad.isEmpty);
  pad.stroke(1.5, 4.5, 6.5, 4.5);
  const at = (x: number, y: number) => pad.values[8 * y + x];
  assert.deepEqual([at(1, 4), at(4, 4), at(6, 4)], [1, 1, 1]);
  assert.deepEqual([at(4, 0), at(4, 7), at(0, 0)], [0, 0, 0]);
  assert.ok(at(4, 3) > 0 && at(4, 3) < 1);
  pad.stroke(-20, -20, 40, 40);
  assert.equal(at(0, 0), 1);
  assert.ok(pad.values.every(value => value >= 0 && value <= 1));
  pad.clear();
  assert.ok(pad.isEmpty);
});

test('a drawing becomes a request of the right size in the range of the example', () => {
  const form = new PictureForm();
  form.fit(aVersion(1, { inputs: [aTensor('x', [any, 64])], example: '{"instances": [[0, 16]]}' }));
  assert.equal(form.show('draw'), null);
  let said = 0;
  form.changed.connect(() => (said += 1));
  form.stroke(4.5, 4.5, 4.5, 4.5);
  const [row] = JSON.parse(form.text ?? '').instances;
  assert.deepEqual([row.length, Math.max(...row), said], [64, 16, 1]);
  form.set({ range: 1 });
  assert.equal(Math.max(...JSON.parse(form.text ?? '').instances[0]), 1);
  form.clear();
  assert.equal(Math.max(...JSON.parse(form.text ?? '').instances[0]), 0);
});

test('a file is sent only once it is there, and one of no use takes it away', () => {
  const form = new PictureForm();
  form.fit(aVersion(1, { inputs: [aTensor('x', [any, 8, 8])] }));
  assert.equal(form.text, null);
  form.load({ name: 'a.png', width: 9, height: 9 }, new Uint8ClampedArray(256).fill(255));
  assert.equal(pictureOf([aTensor('x', [any, 8, 8])])?.width, 8);
  assert.deepEqual(JSON.parse(form.text ?? '').instances[0][7], [1, 1, 1, 1, 1, 1, 1, 1]);
  form.fail('no picture.');
  assert.deepEqual([form.text, form.file, form.trouble], [null, null, 'no picture.']);
});

test('a picture that there was is the request again, and what is typed since is not replaced', () => {
  const form = new PredictForm(async () => '');
  form.offer(aVersion(1, { inputs: [aTensor('x', [any, 8, 8])], example: '{"instances": [1]}' }));
  form.choose('draw');
  assert.deepEqual([form.text, form.byTool], ['{"instances": [1]}', false]);
  form.picture.stroke(4.5, 4.5, 4.5, 4.5);
  const drawn = form.text;
  assert.equal(form.byTool, true);
  form.choose('json');
  form.write('{"instances": [2]}');
  form.choose('image');
  assert.equal(form.text, '{"instances": [2]}');
  form.choose('draw');
  assert.deepEqual([form.text, form.byTool], [drawn, true]);
});
