import assert from 'node:assert/strict';
import test from 'node:test';
import type { ICodeDiff } from '../../labextension/src/history';
import { CodeDiff } from '../../labextension/src/view/codediff';
import { trans, wordsOf } from './fakes';

const seen = (diff: Partial<ICodeDiff>) =>
  wordsOf(
    CodeDiff({
      diff: { job: 'b-2', path: 'train.py', lines: [], more: 0, binary: false, ...diff },
      first: 'a-1',
      trans
    })
  );

test('of a file that cannot be compared is said that it differs, and nothing of why', () => {
  assert.equal(seen({ binary: true }), 'train.py of b-2 differs from that of a-1.');
});

test('lines of two files stand beside each other, each with a sign', () => {
  const said = seen({
    lines: [{ kind: 'changed', left: 1, before: 'old', right: 2, after: 'new' }],
    more: 3
  });
  assert.match(said, /1- old2\+ new/);
  assert.match(said, /3 more lines/);
});
