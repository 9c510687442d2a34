import assert from 'node:assert/strict';
import test from 'node:test';
import { LabError } from '../../labextension/src/errors';
import { DeploymentModel } from '../../labextension/src/model/deployment';
import { DeploymentsModel, isMoving } from '../../labextension/src/model/deployments';
import { ModelsModel } from '../../labextension/src/model/models';
import type { IDeployment } from '../../labextension/src/serving';
import { anApi, moment, settle } from './fakes';
import { aDeployment, aVersion } from './servingfakes';

/** Read a model once, as if somebody had pressed refresh. */
async function read(model: { refresh(): void }): Promise<void> {
  model.refresh();
  await moment();
}

test('each turn of a deployment is told once, and what was so before is no news', async t => {
  let deployments = [aDeployment('a'), aDeployment('b', 'FAILED')];
  const model = new DeploymentsModel(
    anApi({ deployments: async () => ({ deployments, next: null }) })
  );
  t.after(() => model.dispose());
  const told: string[] = [];
  model.turned.connect((_, { deployment, before }) =>
    told.push(`${deployment.name} ${before?.state ?? 'new'} ${deployment.state}`)
  );
  await read(model);
  assert.deepEqual(told, []);
  deployments = [aDeployment('a', 'DEGRADED'), aDeployment('b', 'FAILED'), aDeployment('c')];
  await read(model);
  await read(model);
  deployments = [aDeployment('a')];
  await read(model);
  assert.deepEqual(told, ['a READY DEGRADED', 'c new READY', 'a DEGRADED READY']);
});

test('a list of several pages is read to its end', async t => {
  const pages: Record<string, unknown> = {
    null: { models: [{ name: 'a' }], next: 'x' },
    x: { models: [{ name: 'b' }], next: null }
  };
  const model = new ModelsModel(anApi({ models: async (_: number, next: string) => pages[next] }));
  t.after(() => model.dispose());
  await read(model);
  assert.deepEqual(
    model.models?.map(({ name }) => name),
    ['a', 'b']
  );
});

test('a server whose list never ends is left after a while', async t => {
  let reads = 0;
  const models = async () => ({ models: [{ name: `m${(reads += 1)}` }], next: 'again' });
  const model = new ModelsModel(anApi({ models }));
  t.after(() => model.dispose());
  await read(model);
  assert.equal(reads, 20);
});

test('what the server answers to a wish is shown before the next read', async t => {
  const model = new DeploymentsModel(
    anApi({
      deployments: async () => ({ deployments: [aDeployment('b')], next: null }),
      deploy: async () => aDeployment('a', 'STARTING')
    })
  );
  t.after(() => model.dispose());
  await read(model);
  const { name } = await model.deploy({ name: 'a', model: 'm', version: null, replicas: 1 });
  assert.deepEqual(
    [name, ...(model.deployments ?? []).map(({ name, state }) => `${name} ${state}`)],
    ['a', 'a STARTING', 'b READY']
  );
});

type Wishes = ConstructorParameters<typeof DeploymentModel>[2];

/** Where wishes go, of which a test makes only some. */
function wishes(scale: Wishes['scale'], more: Partial<Wishes> = {}): Wishes {
  const never = async () => {
    throw new Error('not wished for in this test');
  };
  return { scale, canary: never, promote: never, rollback: never, ...more };
}

/** A deployment on a server that remembers what it was asked. */
function aServer(deployment: () => IDeployment) {
  const asked: string[] = [];
  const api = anApi({
    deployment: async () => deployment(),
    deploymentEvents: async () => [{ time: 1, reason: 'Started', message: 'It started.' }],
    versions: async (model: string) => {
      asked.push(`versions ${model}`);
      return [aVersion(4), aVersion(3)];
    }
  });
  return { api, asked };
}

test('the version that is served is looked up once, and again after a roll', async t => {
  let version = 3;
  const { api, asked } = aServer(() => aDeployment('a', 'READY', { version }));
  const model = new DeploymentModel(
    api,
    'a',
    wishes(async () => aDeployment('a'))
  );
  t.after(() => model.dispose());
  await read(model);
  await read(model);
  assert.deepEqual([model.version?.version, model.events.length], [3, 1]);
  assert.deepEqual(asked, ['versions digits']);
  version = 4;
  await read(model);
  assert.equal(model.version?.version, 4);
  assert.equal(asked.length, 2);
});

test('of wishes made quickly the last one is carried out, and it is shown at once', async t => {
  const { api } = aServer(() => aDeployment('a'));
  const sent: number[] = [];
  const answers: (() => void)[] = [];
  const scale = (_: string, replicas: number) => {
    sent.push(replicas);
    return new Promise<IDeployment>(resolve => {
      const spec = { ...aDeployment('a').spec, replicas };
      answers.push(() => resolve(aDeployment('a', 'DEGRADED', { spec })));
    });
  };
  const model = new DeploymentModel(api, 'a', wishes(scale));
  t.after(() => model.dispose());
  await read(model);
  assert.equal(model.wish, 2);
  const first = model.scale(3);
  void model.scale(4);
  void model.scale(5);
  assert.deepEqual([model.wish, sent], [5, [3]]);
  answers[0]();
  await settle();
  assert.deepEqual([model.wish, sent], [5, [3, 5]]);
  answers[1]();
  await first;
  assert.equal(model.deployment?.spec.replicas, 5);
});

test('what was read before a wish was answered does not undo it', async t => {
  const late: ((deployment: IDeployment) => void)[] = [];
  const { api } = aServer(() => aDeployment('a'));
  const model = new DeploymentModel(
    Object.assign(api, {
      deployment: () => new Promise<IDeployment>(resolve => late.push(resolve))
    }),
    'a',
    wishes(async (_, replicas) =>
      aDeployment('a', 'DEGRADED', { spec: { ...aDeployment('a').spec, replicas } })
    )
  );
  t.after(() => model.dispose());
  model.refresh();
  await moment();
  await model.scale(3);
  late[0](aDeployment('a'));
  await settle();
  assert.deepEqual([model.deployment?.spec.replicas, model.wish], [3, 3]);
});

test('a wish that is refused is forgotten, and the reason is passed on', async t => {
  const { api } = aServer(() => aDeployment('a'));
  const refuse = async () => {
    throw new LabError('must be from 1 to 32.', '', 'invalid_request', 400, 'replicas');
  };
  const model = new DeploymentModel(api, 'a', wishes(refuse));
  t.after(() => model.dispose());
  await read(model);
  await assert.rejects(model.scale(99), /from 1 to 32/);
  assert.equal(model.wish, 2);
});

test('a deployment that is gone is not asked for again, and what was known stays', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let reads = 0;
  const api = anApi({
    deployment: async () => {
      reads += 1;
      if (reads > 1) {
        throw new LabError('there is no such deployment.', '', 'not_found', 404);
      }
      return aDeployment('a');
    },
    deploymentEvents: async () => [],
    versions: async () => [aVersion(3)]
  });
  const model = new DeploymentModel(
    api,
    'a',
    wishes(async () => aDeployment('a'))
  );
  t.after(() => model.dispose());
  const watch = model.watch();
  for (let i = 0; i < 120; i++) {
    await settle();
    t.mock.timers.tick(i === 0 ? 0 : 1000);
  }
  assert.equal(reads, 2);
  assert.deepEqual([model.gone, model.deployment?.name], [true, 'a']);
  watch.dispose();
});

test('what the server answers to a canary, a promotion or a rollback is shown at once', async t => {
  const canary = { version: 4, percent: 10, replicas: 1, max_errors: null, max_slowdown: null };
  const { api } = aServer(() => aDeployment('a'));
  const asked: unknown[] = [];
  const wish = wishes(async () => aDeployment('a'), {
    canary: async (name, wanted) => {
      asked.push(name, wanted);
      return aDeployment('a', 'DEGRADED', { canary: wanted });
    },
    promote: async () => aDeployment('a', 'READY', { version: 4 }),
    rollback: async () => {
      throw new LabError('there is no canary.', '', 'conflict', 409);
    }
  });
  const model = new DeploymentModel(api, 'a', wish);
  t.after(() => model.dispose());
  await read(model);
  await model.canary(canary);
  assert.deepEqual([asked, model.deployment?.canary], [['a', canary], canary]);
  await model.promote();
  assert.equal(model.deployment?.version, 4);
  await assert.rejects(model.rollback(), /no canary/);
});

test('a deployment that idles, or has a canary beside all its replicas, changes no more by itself', () => {
  const canary = { version: 4, percent: 0, replicas: 1, max_errors: null, max_slowdown: null };
  const autoscale = { min: 0, max: 4, signal: 'inflight' as const, target: 4, idle: 600 };
  const spec = { ...aDeployment('a').spec, autoscale };
  assert.equal(isMoving(aDeployment('a')), false);
  assert.equal(isMoving(aDeployment('a', 'READY', { canary })), true);
  assert.equal(isMoving(aDeployment('a', 'READY', { canary, ready: 3 })), false);
  assert.equal(isMoving(aDeployment('a', 'IDLE', { spec, wished: 0, ready: 0 })), false);
  assert.equal(isMoving(aDeployment('a', 'READY', { spec, wished: 3 })), true);
  assert.equal(isMoving(aDeployment('a', 'READY', { spec, wished: 2 })), false);
});
