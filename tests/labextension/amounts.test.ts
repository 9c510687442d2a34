import assert from 'node:assert/strict';
import test from 'node:test';
import { bytesIn, bytesText, secondsIn, secondsText } from '../../labextension/src/amounts';
import { joinWords, splitWords } from '../../labextension/src/words';

test('lengths of time are read with their unit, and written so that they can be read', () => {
  for (const [text, seconds] of [
    ['2 h', 7200],
    ['90min', 5400],
    ['1 h 30 min', 5400],
    ['1.5H', 5400],
    ['2 d', 172800],
    ['45 s', 45],
    ['', null],
    ['90', null],
    ['2 weeks', null],
    ['-2 h', null],
    ['2 h or so', null]
  ] as const) {
    assert.equal(secondsIn(text), seconds, text);
  }
  for (const seconds of [1, 59, 60, 5400, 86400, 90061]) {
    assert.equal(secondsIn(secondsText(seconds)), seconds);
  }
  assert.equal(secondsText(5400), '1 h 30 min');
});

test('amounts of memory are read with their unit, and written to the byte', () => {
  for (const [text, bytes] of [
    ['4 GiB', 4 * 2 ** 30],
    ['512MB', 512e6],
    ['0.5 gib', 2 ** 29],
    ['4', null],
    ['4 G of it', null],
    ['', null]
  ] as const) {
    assert.equal(bytesIn(text), bytes, text);
  }
  for (const bytes of [2 ** 20, 2 ** 30, 3 * 2 ** 29, 512e6, 2 ** 40, 1234567890]) {
    assert.equal(bytesIn(bytesText(bytes)), bytes, bytesText(bytes));
  }
  assert.equal(bytesText(4 * 2 ** 30), '4 GiB');
});

test('words become a line that is split into the same words', () => {
  for (const words of [[], ['--lr', '0.1'], ['a b', "it's", '', '"', '\\'], ['$HOME', 'x;y']]) {
    assert.deepEqual(splitWords(joinWords(words)), words);
  }
  assert.equal(joinWords(['--lr', '0.1']), '--lr 0.1');
});
