import assert from 'node:assert/strict';
import test from 'node:test';
import { LabError } from '../../labextension/src/errors';
import { insist } from '../../labextension/src/insist';

test('a lab that does not answer is asked again until it does', async () => {
  let asked = 0;
  const ask = async () => {
    asked += 1;
    if (asked < 3) {
      throw new LabError('the lab does not answer.', '', 'unreachable');
    }
    return 'ada';
  };
  assert.deepEqual([await insist(ask, 1), asked], ['ada', 3]);
});

test('that there is no such thing is an answer', async () => {
  const ask = () => Promise.reject(new LabError('there is none.', '', 'not_found', 404));
  assert.equal(await insist(ask, 1), null);
});
