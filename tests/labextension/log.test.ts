import assert from 'node:assert/strict';
import test from 'node:test';
import type { ILogQuery } from '../../labextension/src/api';
import { LogModel } from '../../labextension/src/model/log';
import { LogBuffer, MAX_TEXT } from '../../labextension/src/model/logbuffer';
import { LogText } from '../../labextension/src/model/logtext';
import { anApi, moment } from './fakes';

/** What a reader sees after these pieces. */
function shown(...pieces: string[]): string {
  const text = new LogText();
  return pieces.reduce((before, piece) => {
    const { cut, add } = text.push(piece);
    return before.slice(0, before.length - cut) + add;
  }, '');
}

const SHOWN: [string, string[], string][] = [
  ['plain text', ['a\nb\n'], 'a\nb\n'],
  ['colours', ['\x1b[1;32mok\x1b[0m\n'], 'ok\n'],
  ['a colour cut in two', ['\x1b[1;', '32mok\n'], 'ok\n'],
  ['an escape cut in two', ['x\x1b', '[0my\n'], 'xy\n'],
  ['a window title', ['\x1b]0;title\x07x\n'], 'x\n'],
  ['line ends of Windows', ['a\r\nb\r\n'], 'a\nb\n'],
  ['a line end cut in two', ['a\r', '\nb'], 'a\nb'],
  ['a progress bar', ['10%', '\r20%', '\r30%\ndone\n'], '30%\ndone\n'],
  ['a progress bar of one replica', ['[worker-0] 1%\r2%\n'], '[worker-0] 2%\n'],
  ['backspaces and bells', ['a\b\x07b\n'], 'ab\n'],
  ['markup', ['<img src=x onerror=alert(1)>\n'], '<img src=x onerror=alert(1)>\n'],
  ['an unfinished line', ['a', 'b', 'c\n'], 'abc\n']
];

for (const [what, pieces, text] of SHOWN) {
  test(`${what} is read as a person expects`, () => {
    assert.equal(shown(...pieces), text);
  });
}

test('any cut of a text into pieces shows the same', () => {
  const text = 'a\x1b[31mb\x1b[0m\r\nbar 1\rbar 22\rbar 3\n\x1b]8;;x\x1b\\link\n[w-0] 1\r2\nend';
  for (let at = 0; at <= text.length; at++) {
    assert.equal(shown(text.slice(0, at), text.slice(at)), shown(text));
  }
});

test('a buffer holds its limit at most and drops the oldest lines', () => {
  const buffer = new LogBuffer();
  const line = `${'x'.repeat(79)}\n`;
  for (let i = 0; i < 200; i++) {
    buffer.push(line.repeat(100));
  }
  assert.ok(buffer.dropped);
  assert.ok(buffer.length <= MAX_TEXT && buffer.length > MAX_TEXT - 20_000);
  assert.ok(buffer.blocks.slice(0, -1).every(block => block.text.endsWith('\n')));
});

test('a log without any line end does not grow without limit', () => {
  const buffer = new LogBuffer();
  for (let i = 0; i < 40; i++) {
    buffer.push('y'.repeat(60_000));
  }
  assert.ok(buffer.length <= MAX_TEXT);
});

test('earlier text goes in front and joins the line that was cut', () => {
  const buffer = new LogBuffer();
  buffer.push('ne 2\nline 3\n');
  const last = buffer.blocks[0].id;
  buffer.unshift('line 1\nli');
  assert.equal(buffer.blocks.map(block => block.text).join(''), 'line 1\nline 2\nline 3\n');
  assert.equal(buffer.blocks.at(-1)?.id, last);
});

/** A server that has these bytes and remembers what it was asked. */
function aLog(bytes: () => string, complete = () => false) {
  const asked: ILogQuery[] = [];
  const api = anApi({
    logs: async (_: string, query: ILogQuery) => {
      asked.push(query);
      const all = bytes();
      const offset = query.offset < 0 ? Math.max(0, all.length + query.offset) : query.offset;
      const text = all.slice(offset, offset + query.limit);
      const next_offset = offset + text.length;
      return {
        text,
        replica: query.replica ?? '',
        attempt: query.attempt ?? 1,
        offset,
        next_offset,
        size: all.length,
        complete: complete() && next_offset === all.length
      };
    }
  });
  return { api, asked };
}

const textOf = (model: LogModel) => model.buffer.blocks.map(block => block.text).join('');

test('a long log is opened at its end and followed from there', async t => {
  let all = 'old\n'.repeat(50_000);
  const { api, asked } = aLog(() => all);
  const model = new LogModel(api, 'a');
  model.newest = 1;
  model.watch();
  t.after(() => model.dispose());
  await moment();
  assert.equal(textOf(model).length, 65_536);
  assert.equal(model.first, 200_000 - 65_536);
  all += 'new\n';
  model.refresh();
  await moment();
  assert.ok(textOf(model).endsWith('old\nnew\n'));
  assert.deepEqual(
    asked.map(query => query.offset),
    [-65_536, 200_000]
  );
});

test('nothing is asked before the first attempt, and a new attempt starts afresh', async t => {
  const { api, asked } = aLog(() => 'x\n');
  const model = new LogModel(api, 'a');
  model.watch();
  t.after(() => model.dispose());
  await moment();
  assert.equal(asked.length, 0);
  model.newest = 1;
  await moment();
  model.newest = 2;
  await moment();
  assert.deepEqual(
    asked.map(query => query.attempt),
    [1, 2]
  );
  assert.equal(textOf(model), 'x\n');
});

test('an answer to an earlier choice is not shown', async t => {
  const { api, asked } = aLog(() => 'x\n');
  const model = new LogModel(api, 'a');
  model.newest = 1;
  model.watch();
  t.after(() => model.dispose());
  model.choose('worker-1', null);
  await moment();
  assert.equal(model.chunk?.replica, 'worker-1');
  assert.equal(textOf(model), 'x\n');
  assert.equal(asked.at(-1)?.replica, 'worker-1');
});

test('a reader far behind goes on at the end instead of reading it all', async t => {
  let all = 'a\n';
  const { api, asked } = aLog(() => all);
  const model = new LogModel(api, 'a');
  model.newest = 1;
  model.watch();
  t.after(() => model.dispose());
  await moment();
  all += 'b\n'.repeat(2 * MAX_TEXT);
  model.refresh();
  await moment();
  assert.equal(asked.at(-1)?.offset, -65_536);
  assert.equal(textOf(model).length, 65_536);
});

test('lines before the first shown are added on demand, of one replica', async t => {
  const all = Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join('');
  const { api } = aLog(
    () => all,
    () => true
  );
  const model = new LogModel(api, 'a');
  model.newest = 1;
  model.watch();
  t.after(() => model.dispose());
  await moment();
  assert.equal(model.hasEarlier, false); // Offsets of the merged view are opaque.
  model.choose('worker-0', null);
  await moment();
  assert.equal(model.hasEarlier, true);
  while (model.hasEarlier) {
    await model.showEarlier();
  }
  assert.equal(textOf(model), all);
});
