import assert from 'node:assert/strict';
import test from 'node:test';
import { LabError } from '../../labextension/src/errors';

test('an error of the lab keeps its words, code, field and line', () => {
  const body = {
    error: {
      code: 'invalid_request',
      message: 'must be 1.',
      hint: 'Fix it.',
      field: 'x',
      line: 3
    }
  };
  const error = LabError.fromWire(400, body);
  assert.deepEqual(
    [error?.message, error?.hint, error?.code, error?.status, error?.field, error?.line],
    ['must be 1.', 'Fix it.', 'invalid_request', 400, 'x', 3]
  );
  assert.equal(error?.sentence, 'Must be 1.');
});

test('a body of somebody else is not an error of the lab', () => {
  for (const body of [null, undefined, 'no', [], {}, { error: 'x' }, { error: { code: 1 } }]) {
    assert.equal(LabError.fromWire(500, body), null);
  }
});
