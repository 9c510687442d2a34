import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { ILogQuery } from '../../labextension/src/api';
import { LogModel } from '../../labextension/src/model/log';
import { LogStream } from '../../labextension/src/model/logstream';
import { Stream } from '../../labextension/src/model/stream';
import type { ILogChunk } from '../../labextension/src/specs';
import type { IListener, Open } from '../../labextension/src/tokens';
import { settle } from './fakes';

/** A server with one log, which can be asked for and followed. */
class FakeLog {
  text = '';
  reads: ILogQuery[] = [];
  said: Record<string, unknown>[] = [];
  listener: IListener | null = null;
  isOver = false;

  readonly open: Open = (path, listener) => {
    assert.equal(path, 'logs/stream');
    this.listener = listener;
    return {
      isDisposed: false,
      send: frame => this.said.push(frame as Record<string, unknown>),
      dispose: () => {
        this.listener = this.listener === listener ? null : this.listener;
      }
    };
  };

  readonly logs = async (_: string, query: ILogQuery): Promise<ILogChunk> => {
    this.reads.push(query);
    return this.chunk(query.offset, query.limit);
  };

  chunk(offset: number, limit = Infinity): ILogChunk {
    const size = this.text.length;
    const start = offset < 0 ? Math.max(0, size + offset) : offset;
    const text = this.text.slice(start, start + limit);
    const next_offset = start + text.length;
    const complete = this.isOver && next_offset === size;
    return { text, replica: 'worker-0', attempt: 1, offset: start, next_offset, size, complete };
  }

  /** Tell whoever follows. */
  tell(offset: number): void {
    const key = this.said.filter(frame => 'follow' in frame).at(-1)!.follow;
    this.listener!.message({ key, chunk: this.chunk(offset) });
  }
}

async function aLog(t: TestContext): Promise<[FakeLog, LogModel, (ms: number) => Promise<void>]> {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const server = new FakeLog();
  server.text = 'one\n';
  const stream = new Stream(server.open, 'logs/stream', null, null);
  const model = new LogModel(server, 'a-1', new LogStream(stream));
  t.after(() => {
    model.dispose();
    stream.dispose();
  });
  const pass = async (milliseconds: number) => {
    await settle();
    t.mock.timers.tick(milliseconds);
    await settle();
  };
  model.newest = 1;
  return [server, model, pass];
}

const shown = (model: LogModel) => model.buffer.blocks.map(({ text }) => text).join('');

test('after the first look news are told from there on, and nothing is asked for', async t => {
  const [server, model, pass] = await aLog(t);
  const watch = model.watch();
  await pass(0);
  assert.equal(shown(model), 'one\n');
  server.listener!.opened!();
  await pass(0);
  const { follow, ...where } = server.said[0];
  assert.ok(follow);
  assert.deepEqual(where, { job: 'a-1', replica: null, attempt: 1, offset: 4 });
  const before = server.reads.length;
  server.text += 'two\n';
  server.tell(4);
  server.text += 'three\n';
  server.tell(8);
  assert.equal(shown(model), 'one\ntwo\nthree\n');
  await pass(10_000);
  assert.equal(server.reads.length, before);
  server.isOver = true;
  server.tell(14);
  assert.ok(model.chunk?.complete);
  assert.ok('unfollow' in server.said.at(-1)! || server.listener === null);
  await pass(60_000);
  assert.equal(server.reads.length, before);
  watch.dispose();
});

test('while the stream is broken news are asked for; when it is back they are told', async t => {
  const [server, model, pass] = await aLog(t);
  const watch = model.watch();
  await pass(0);
  server.listener!.closed();
  server.text += 'two\n';
  await pass(0);
  await pass(1000);
  assert.equal(shown(model), 'one\ntwo\n');
  await pass(1000);
  server.listener!.opened!();
  await pass(0);
  assert.equal(server.said.at(-1)!.offset, 8);
  server.text += 'three\n';
  server.tell(8);
  assert.equal(shown(model), 'one\ntwo\nthree\n');
  watch.dispose();
  assert.equal(server.listener, null);
});

test('a piece that is known is not shown twice, and a gap is marked', async t => {
  const [server, model, pass] = await aLog(t);
  const watch = model.watch();
  await pass(0);
  server.listener!.opened!();
  await pass(0);
  server.tell(0);
  assert.equal(shown(model), 'one\n');
  server.text += `${'x'.repeat(2044)}last\n`;
  server.tell(2048);
  assert.equal(shown(model), 'one\n\n⋯ 2.0 KiB ⋯\nlast\n');
  watch.dispose();
});

test('a socket that tells nothing although something was written is opened anew', async t => {
  const [server, model, pass] = await aLog(t);
  const watch = model.watch();
  await pass(0);
  server.listener!.opened!();
  await pass(0);
  const dead = server.listener;
  server.text += 'two\n';
  await pass(15_000);
  await pass(1000);
  await pass(1000);
  assert.equal(shown(model), 'one\ntwo\n');
  assert.notEqual(server.listener, dead);
  watch.dispose();
});

test('around a line: what stands before it and after it, and the way back to the end', async t => {
  const [server, model, pass] = await aLog(t);
  const line = `${'y'.repeat(99)}\n`;
  server.text = `${line.repeat(2000)}needle\n${line.repeat(2000)}`;
  model.choose('worker-0', null);
  const watch = model.watch();
  await pass(0);
  const place = await model.showAround(200_000);
  assert.equal(place, 32_768);
  assert.ok(shown(model).slice(place).startsWith('needle\n'));
  assert.ok(model.isAway && model.hasEarlier);
  await model.showLater();
  assert.ok(model.isAway && shown(model).length > 150_000);
  const before = server.reads.length;
  server.text += 'more\n';
  await pass(30_000);
  assert.equal(server.reads.length, before);
  model.showEnd();
  await pass(0);
  await pass(0);
  assert.ok(!model.isAway && shown(model).endsWith('more\n'));
  watch.dispose();
});
