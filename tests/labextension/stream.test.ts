import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { LabError } from '../../labextension/src/errors';
import { GpusModel } from '../../labextension/src/model/gpus';
import { type IPage, Stream } from '../../labextension/src/model/stream';
import { opener } from '../../labextension/src/stream';
import type { IListener, Open } from '../../labextension/src/tokens';
import { anApi, settle } from './fakes';

const gpu = (utilization: number | null) => ({ index: 0, uuid: 'GPU-0', name: 'X', utilization });
const report = (time: number, utilization: number | null = 0.5) => ({
  state: 'ok',
  message: '',
  hint: '',
  time,
  driver: '1',
  gpus: [gpu(utilization)]
});

/** A server whose sockets do what the test says. */
class FakeServer {
  /** Of the sockets that are open, or are being opened. */
  readonly listeners: IListener[] = [];
  readonly said: object[] = [];
  tries = 0;

  readonly open: Open = (path, listener) => {
    assert.equal(path, 'gpus/stream');
    this.tries += 1;
    this.listeners.push(listener);
    let isDisposed = false;
    return {
      send: frame => this.said.push(frame),
      get isDisposed() {
        return isDisposed;
      },
      dispose: () => {
        isDisposed = true;
        this._drop(listener);
      }
    };
  };

  /** Close, or refuse, what is open. */
  close(): void {
    for (const listener of [...this.listeners]) {
      this._drop(listener);
      listener.closed();
    }
  }

  send(frame: unknown): void {
    this.listeners.forEach(listener => listener.message(frame));
  }

  private _drop(listener: IListener): void {
    const at = this.listeners.indexOf(listener);
    if (at >= 0) {
      this.listeners.splice(at, 1);
    }
  }
}

/** A page that can be hidden. */
class FakePage implements IPage {
  hidden = false;
  readonly listeners = new Set<() => void>();

  addEventListener(_: 'visibilitychange', listener: () => void): void {
    this.listeners.add(listener);
  }
  removeEventListener(_: 'visibilitychange', listener: () => void): void {
    this.listeners.delete(listener);
  }
  set(hidden: boolean): void {
    this.hidden = hidden;
    this.listeners.forEach(listener => listener());
  }
}

function aStream(t: TestContext, page: IPage | null = null): [FakeServer, Stream] {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  t.mock.method(Math, 'random', () => 1); // The longest pause that chance makes.
  const server = new FakeServer();
  const stream = new Stream(server.open, 'gpus/stream', page);
  t.after(() => stream.dispose());
  return [server, stream];
}

/** Let what is under way finish, move the clock and let what that started finish. */
async function pass(t: TestContext, milliseconds: number): Promise<void> {
  await settle();
  t.mock.timers.tick(milliseconds);
  await settle();
}

test('one socket serves all who want it and is closed with the last of them', t => {
  const [server, stream] = aStream(t);
  assert.equal(server.tries, 0);
  const wants = [stream.want(), stream.want()];
  assert.equal(server.tries, 1);
  assert.equal(stream.state, 'opening');
  server.send({ type: 'x' });
  assert.equal(stream.state, 'open');
  wants[0].dispose();
  assert.equal(server.listeners.length, 1);
  wants[1].dispose();
  assert.equal(server.listeners.length, 0);
  assert.equal(stream.state, 'closed');
});

test('a page that cannot be seen holds no socket', t => {
  const page = new FakePage();
  const [server, stream] = aStream(t, page);
  stream.want();
  page.set(true);
  assert.equal(server.listeners.length, 0);
  t.mock.timers.tick(60_000);
  assert.equal(server.tries, 1);
  page.set(false);
  assert.equal(server.listeners.length, 1);
  stream.dispose();
  assert.equal(server.listeners.length, 0);
  assert.equal(page.listeners.size, 0);
});

test('what breaks is opened again after pauses that grow, and are short again after a frame', t => {
  const [server, stream] = aStream(t);
  stream.want();
  for (const wait of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]) {
    const tries = server.tries;
    server.close();
    assert.equal(stream.state, 'broken');
    t.mock.timers.tick(wait - 1);
    assert.equal(server.tries, tries, `before ${wait} ms`);
    t.mock.timers.tick(1);
    assert.equal(server.tries, tries + 1, `after ${wait} ms`);
  }
  server.send({ type: 'x' });
  server.close();
  const tries = server.tries;
  t.mock.timers.tick(1000);
  assert.equal(server.tries, tries + 1);
});

test('pauses have a random length', t => {
  const [server, stream] = aStream(t);
  t.mock.method(Math, 'random', () => 0);
  stream.want();
  server.close();
  t.mock.timers.tick(499);
  assert.equal(server.tries, 1);
  t.mock.timers.tick(1);
  assert.equal(server.tries, 2);
});

test('a socket that falls silent is given up', t => {
  const [server, stream] = aStream(t);
  stream.want();
  server.send({ type: 'x' });
  t.mock.timers.tick(14_000);
  server.send({ type: 'x' });
  t.mock.timers.tick(14_000);
  assert.equal(stream.state, 'open');
  t.mock.timers.tick(1000);
  assert.equal(stream.state, 'broken');
  assert.equal(server.listeners.length, 0);
});

test('GPUs come from the stream, with what was before, and are asked for once', async t => {
  const [server, stream] = aStream(t);
  let asked = 0;
  const model = new GpusModel(anApi({ gpus: async () => report(99 + ++asked) }), stream);
  t.after(() => model.dispose());
  let drawn = 0;
  model.changed.connect(() => drawn++);
  const watch = model.watch();
  await pass(t, 0);
  assert.equal(model.report?.time, 100);
  const samples = [90, 92, 94].map(time => ({ time, gpus: [gpu(0.1)] }));
  server.send({ type: 'history', period: 1, samples });
  for (let time = 101; time <= 140; time++) {
    server.send({ type: 'gpus', report: report(time, 0.9) });
    await pass(t, 1000);
  }
  assert.equal(asked, 1);
  assert.equal(model.asks, false);
  assert.equal(model.report?.time, 140);
  assert.ok(drawn > 40, `drawn ${drawn} times`);
  const points = model.history('GPU-0');
  assert.deepEqual(
    points.slice(0, 3).map(({ time, utilization }) => [time, utilization]),
    [90, 92, 94].map(time => [time, 0.1])
  );
  assert.equal(points[points.length - 1].time, 140);
  server.send({ type: 'alert' }); // Of a later server.
  server.send(null);
  watch.dispose();
  assert.equal(server.listeners.length, 0);
});

test('GPUs are asked for while no stream can be had, and this is told', async t => {
  const [server, stream] = aStream(t);
  let asked = 0;
  const model = new GpusModel(anApi({ gpus: async () => report(++asked) }), stream);
  t.after(() => model.dispose());
  const watch = model.watch();
  await pass(t, 0);
  server.close();
  await pass(t, 0);
  assert.equal(model.asks, true);
  assert.equal(asked, 2);
  await pass(t, 900);
  assert.equal(server.tries, 1);
  for (let second = 0; second < 10; second++) {
    await pass(t, 1000);
    server.close(); // Each new try is refused.
  }
  assert.ok(asked >= 6 && asked <= 8, `asked ${asked} times`);
  assert.equal(model.report?.time, asked);
  model.refresh(); // Somebody does not want to wait.
  server.send({ type: 'gpus', report: report(1000) });
  await pass(t, 0);
  const before = asked;
  await pass(t, 15_000);
  assert.equal(stream.state, 'broken'); // Nothing came for a while.
  await pass(t, 1000);
  server.send({ type: 'gpus', report: report(1001) });
  assert.equal(model.asks, false);
  assert.ok(asked - before <= 4, `asked ${asked - before} times`);
  watch.dispose();
});

test('news of the stream ends what a failed question said', async t => {
  const [server, stream] = aStream(t);
  const gpus = async () => {
    throw new LabError('gone.');
  };
  const model = new GpusModel(anApi({ gpus }), stream);
  t.after(() => model.dispose());
  model.watch();
  await pass(t, 0);
  assert.equal(model.error?.message, 'gone.');
  server.send({ type: 'gpus', report: report(1) });
  assert.equal(model.error, null);
});

/** A browser's WebSocket as far as it is used. */
class FakeSocket {
  static made: FakeSocket[] = [];
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  closed = false;

  constructor(readonly url: string) {
    FakeSocket.made.push(this);
  }
  close(): void {
    this.closed = true;
    this.onclose?.();
  }
}

test('a socket is opened at the server’s address, and what is no JSON ends it', () => {
  FakeSocket.made = [];
  const settings = { wsUrl: 'ws://h/user/ada/', token: 'a b', appendToken: true };
  const open = opener({ ...settings, WebSocket: FakeSocket } as never);
  const told: unknown[] = [];
  const listener = {
    message: (frame: unknown) => told.push(frame),
    closed: () => told.push('closed')
  };
  const first = open('gpus/stream', listener);
  const [socket] = FakeSocket.made;
  assert.equal(socket.url, 'ws://h/user/ada/dllab/api/gpus/stream?token=a%20b');
  socket.onmessage?.({ data: '{"type": "x"}' });
  first.dispose();
  assert.ok(socket.closed);
  assert.deepEqual(told, [{ type: 'x' }]);
  open('gpus/stream', listener);
  FakeSocket.made[1].onmessage?.({ data: '<html>' });
  assert.ok(FakeSocket.made[1].closed);
  assert.deepEqual(told, [{ type: 'x' }, 'closed']);
  open('gpus/stream', listener);
  FakeSocket.made[2].close();
  assert.equal(told.length, 3);
  const quiet = opener({ ...settings, appendToken: false, WebSocket: FakeSocket } as never);
  quiet('gpus/stream', listener);
  assert.equal(FakeSocket.made[3].url, 'ws://h/user/ada/dllab/api/gpus/stream');
});
