import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { IAlert } from '../../labextension/src/alertspecs';
import { messageOf, overText, when } from '../../labextension/src/alerttext';
import { LabError } from '../../labextension/src/errors';
import { AlertNews, type Memory } from '../../labextension/src/model/alertnews';
import { AlertsModel } from '../../labextension/src/model/alerts';
import { HostModel } from '../../labextension/src/model/host';
import { Stream } from '../../labextension/src/model/stream';
import type { IListener } from '../../labextension/src/tokens';
import { anApi, moment, settle, trans } from './fakes';
import { anAlert } from './gpufakes';

function aMemory(): Memory {
  const kept = new Map<string, string>();
  return {
    getItem: name => kept.get(name) ?? null,
    setItem: (name, value) => void kept.set(name, value)
  };
}

const ids = (alerts: readonly IAlert[]) => alerts.map(({ id }) => id);

/** The news of one page. */
function aPage(memory: Memory, place = 'lab ada') {
  const news = new AlertNews(memory, place);
  return (alerts: IAlert[], now: number) => {
    const found = news.take(alerts, now);
    news.keep(now);
    return found;
  };
}

test('an alert is told once each time it begins to fire, also in a new page', () => {
  const memory = aMemory();
  const take = aPage(memory);
  const hot = anAlert('hot');
  assert.deepEqual(ids(take([hot], 200).begun), ['hot']);
  assert.deepEqual(ids(take([hot], 201).begun), []);
  assert.deepEqual(ids(aPage(memory)([hot], 202).begun), []);
  assert.deepEqual(ids(take([{ ...hot, fired: 900 }], 901).begun), ['hot']);
});

test('what was told stays known while a page hears nothing of it, and for a day', () => {
  const memory = aMemory();
  const hot = anAlert('hot');
  aPage(memory)([hot], 200);
  aPage(memory)([], 300);
  aPage(memory)([anAlert('other')], 400);
  assert.deepEqual(ids(aPage(memory)([hot], 500).begun), []);
  const day = 24 * 3600;
  assert.deepEqual(ids(aPage(memory)([hot], 500 + day / 2).begun), []);
  assert.deepEqual(ids(aPage(memory)([hot], 500 + day).begun), [], 'it was there in between');
  assert.deepEqual(ids(aPage(memory)([hot], 600 + 2 * day).begun), ['hot']);
});

test('each lab and person is told on their own, and nothing counts before it was said', () => {
  const memory = aMemory();
  const hot = anAlert('hot');
  new AlertNews(memory, 'lab ada').take([hot], 200);
  assert.deepEqual(ids(aPage(memory)([hot], 201).begun), ['hot']);
  assert.deepEqual(ids(aPage(memory, 'other ada')([hot], 202).begun), ['hot']);
  assert.deepEqual(ids(aPage(memory, 'lab bob')([hot], 203).begun), ['hot']);
});

test('where nothing can be written an alert is still told once a page', () => {
  const full = () => {
    throw new Error('the quota is exceeded');
  };
  const take = aPage({ getItem: () => null, setItem: full });
  assert.deepEqual(ids(take([anAlert('a')], 200).begun), ['a']);
  assert.deepEqual(ids(take([anAlert('a')], 201).begun), []);
});

test('what is pending or silenced is not told, and what a silence hid is', () => {
  const take = aPage(aMemory());
  const waiting = anAlert('waiting', { state: 'pending', fired: null });
  const silenced = anAlert('silenced', { silenced: 500 });
  assert.deepEqual(take([waiting, silenced], 200).begun, []);
  assert.deepEqual(ids(take([waiting, silenced], 501).begun), ['silenced']);
});

test('an alert that is over, silenced or gone takes back what was said of it', () => {
  const take = aPage(aMemory());
  const [a, b, c] = [anAlert('a'), anAlert('b'), anAlert('c')];
  take([a, b, c], 200);
  const after = take(
    [
      { ...a, state: 'resolved', resolved: 210 },
      { ...b, silenced: 900 }
    ],
    210
  );
  assert.deepEqual([ids(after.over), ids(after.hushed), after.gone], [['a'], ['b'], ['c']]);
  const later = take([{ ...b, silenced: null }], 220);
  assert.deepEqual([ids(later.begun), ids(later.over)], [[], []]);
});

test('a memory that somebody else wrote into is no obstacle', () => {
  for (const written of ['{"a":', '[1]', 'null', '{"a@160":"long ago"}']) {
    const memory = aMemory();
    memory.setItem('dllab-hub:told-alerts:lab ada', written);
    const take = aPage(memory);
    assert.deepEqual(ids(take([anAlert('a')], 200).begun), ['a']);
    assert.deepEqual(ids(take([anAlert('a')], 201).begun), []);
  }
});

/** A model, its socket and what was asked for. */
function aModel(t: TestContext, alerts: () => Promise<{ alerts: IAlert[] }>) {
  const sockets: IListener[] = [];
  const open = (_: string, listener: IListener) => {
    sockets.push(listener);
    return { send: () => undefined, dispose: () => undefined, isDisposed: false };
  };
  const stream = new Stream(open, 'gpus/stream', null);
  const asked: string[] = [];
  const api = anApi({
    alerts: () => {
      asked.push('alerts');
      return alerts();
    },
    silence: async (id: string, minutes: number) => void asked.push(`${id} ${minutes}`),
    unsilence: async (id: string) => void asked.push(`${id} no more`)
  });
  const model = new AlertsModel(api, stream);
  t.after(() => {
    model.dispose();
    stream.dispose();
  });
  return { model, stream, sockets, asked };
}

test('alerts are asked for at first and then come with the stream', async t => {
  const { model, stream, sockets, asked } = aModel(t, async () => ({ alerts: [anAlert('a')] }));
  let drawn = 0;
  model.changed.connect(() => (drawn += 1));
  const watching = [model.watch(), stream.want()];
  await moment();
  assert.deepEqual([ids(model.alerts), asked, drawn], [['a'], ['alerts'], 1]);

  const frame = { type: 'alerts', alerts: [anAlert('b'), anAlert('c', { silenced: 1e12 })] };
  sockets[0].message(frame);
  sockets[0].message(frame);
  sockets[0].message({ type: 'gpus' });
  assert.deepEqual([ids(model.alerts), ids(model.firing()), drawn], [['b', 'c'], ['b'], 2]);
  watching.forEach(each => each.dispose());
});

test('an answer that was asked for before the newest frame is dropped', async t => {
  let answer: (found: { alerts: IAlert[] }) => void = () => undefined;
  const asking = new Promise<{ alerts: IAlert[] }>(resolve => (answer = resolve));
  const { model, stream, sockets } = aModel(t, () => asking);
  const watching = [model.watch(), stream.want()];
  await moment();
  sockets[0].message({ type: 'alerts', alerts: [anAlert('new')] });
  answer({ alerts: [anAlert('old')] });
  await moment();
  assert.deepEqual(ids(model.alerts), ['new']);
  watching.forEach(each => each.dispose());
});

test('while the stream tells of alerts nobody asks, and who only follows asks otherwise', async t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const { model, stream, sockets, asked } = aModel(t, async () => ({ alerts: [] }));
  const pass = async (seconds: number) => {
    for (let passed = 0; passed < seconds; passed++) {
      t.mock.timers.tick(1000);
      sockets.at(-1)?.message({ type: 'gpus' }); // It is not silent.
      await settle();
    }
  };
  const watching = [model.follow(), stream.want()];
  await settle();
  await pass(40);
  assert.equal(asked.length, 3, 'a stream that says nothing of them is no help');
  sockets[0].message({ type: 'alerts', alerts: [] });
  await pass(40);
  assert.equal(asked.length, 3);
  sockets[0].closed();
  await pass(40);
  assert.ok(asked.length > 3);
  watching.forEach(each => each.dispose());
});

test('an alert says whose it is to somebody else', () => {
  const hot = anAlert('a', { resolved: 300 });
  assert.equal(messageOf(hot, 'ada', trans), 'a is hot.');
  assert.equal(messageOf(hot, 'root', trans), 'a is hot. (of ada)');
  assert.equal(messageOf(hot, '', trans), 'a is hot.', 'it is not known who reads it');
  assert.equal(messageOf({ ...hot, owner: '' }, 'root', trans), 'a is hot.');
  assert.equal(overText(hot, 'root', 480, trans), 'Over, 3 min ago: a is hot. (of ada)');
});

test('a silence until another day has a date', () => {
  const now = new Date(2026, 4, 3, 12).getTime() / 1000;
  const until = (hours: number) => when(anAlert('a', { silenced: now + 3600 * hours }), now, trans);
  assert.doesNotMatch(until(2), /May|3/);
  assert.match(until(48), /silenced until .*5/);
  assert.equal(when(anAlert('a', { fired: now - 60 }), now, trans), '1 min ago');
});

test('what was known stays while it cannot be read again, with the reason', async t => {
  let fails = false;
  const { model } = aModel(t, async () => {
    if (fails) {
      throw new LabError('the lab does not answer.', '', 'unreachable');
    }
    return { alerts: [anAlert('a')] };
  });
  const watching = model.watch();
  await moment();
  fails = true;
  model.refresh();
  await moment();
  assert.deepEqual([ids(model.alerts), model.error?.message], [['a'], 'the lab does not answer.']);
  watching.dispose();
});

test('a silence is asked for, and what it changed', async t => {
  const { model, asked } = aModel(t, async () => ({ alerts: [] }));
  const watching = model.watch();
  await moment();
  await model.silence('a', 60);
  await model.unsilence('a');
  await moment();
  assert.deepEqual(asked.slice(0, 4), ['alerts', 'a 60', 'a no more', 'alerts']);
  watching.dispose();
});

test('an older server has no alerts, and is not asked again', async t => {
  const { model, asked } = aModel(t, () =>
    Promise.reject(new LabError('there is no such thing.', '', 'not_found', 404))
  );
  const watching = model.watch();
  await moment();
  model.refresh();
  await moment();
  assert.deepEqual([asked, model.known, model.error], [['alerts'], false, null]);
  watching.dispose();
});

test('the machine is shown while it is known, and left out by an older server', async () => {
  const host = {
    time: 1,
    container: false,
    cpu: 1,
    cpus: 2,
    memory: 1,
    memory_limit: 2,
    disks: []
  };
  const known = new HostModel(anApi({ host: async () => host }));
  const watching = known.watch();
  await moment();
  assert.equal(known.host, host);
  watching.dispose();
  known.dispose();

  const error = new LabError('there is no such thing.', '', 'not_found', 404);
  const older = new HostModel(anApi({ host: () => Promise.reject(error) }));
  const looking = older.watch();
  await moment();
  assert.deepEqual([older.host, older.error, older.isDisposed], [null, null, true]);
  looking.dispose();
});
