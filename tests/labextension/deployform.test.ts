import assert from 'node:assert/strict';
import test from 'node:test';
import { LabError } from '../../labextension/src/errors';
import { DeployForm, nameOf } from '../../labextension/src/model/deployform';
import type { IDeploymentSpec } from '../../labextension/src/serving';
import { aDeployment, aVersion } from './servingfakes';

/** A form on a server that remembers what it was asked and refuses what it is told to. */
function aForm() {
  const asked: unknown[] = [];
  const refuse: { publish?: LabError; deploy?: LabError; list?: unknown } = {};
  const names: Record<string, string[]> = {
    '': ['a.py', 'net.onnx', 'other.PT2', 'models/'],
    'models/': []
  };
  const form = new DeployForm(
    async (model, path) => {
      asked.push([model, path]);
      if (refuse.publish) {
        throw refuse.publish;
      }
      return aVersion(7, { model });
    },
    async (spec: IDeploymentSpec) => {
      asked.push(spec);
      if (refuse.deploy) {
        throw refuse.deploy;
      }
      return aDeployment(spec.name);
    },
    async directory => {
      asked.push(directory);
      if (refuse.list) {
        throw refuse.list;
      }
      return names[directory];
    }
  );
  return { form, asked, refuse };
}

test('names follow the model or the file until they are typed', () => {
  const { form } = aForm();
  form.set({ model: 'digits' });
  assert.equal(form.name, 'digits');
  form.set({ source: 'file', path: 'models/My Net_v2.onnx' });
  assert.deepEqual([form.publishAs, form.name], ['my-net-v2', 'my-net-v2']);
  form.set({ publishAs: 'net' });
  assert.equal(form.name, 'net');
  form.set({ name: 'prod' });
  form.set({ source: 'model', model: 'other' });
  assert.equal(form.name, 'prod');
});

test('nothing is published for a number of replicas that cannot be had', async () => {
  for (const replicas of [0, 33, 1.5, NaN]) {
    const { form, asked } = aForm();
    form.set({ source: 'file', path: 'net.onnx', replicas });
    assert.equal(await form.submit(), null);
    assert.deepEqual([form.field, form.error, asked], ['replicas', null, []]);
    form.set({ replicas: 32 });
    assert.equal(form.field, null);
    assert.notEqual(await form.submit(), null);
  }
});

test('any path gives a name that the server takes, or none', () => {
  for (const [path, name] of [
    ['net.onnx', 'net'],
    ['saved/Model.tar.gz', 'model'],
    ['net.pt2', 'net'],
    ['a/b/--Ünï--.ONNX', 'n'],
    [`${'x'.repeat(39)}-y.onnx`, 'x'.repeat(39)],
    ['???.onnx', '']
  ]) {
    assert.equal(nameOf(path), name);
  }
});

test('a published model is deployed as it was chosen', async () => {
  const { form, asked } = aForm();
  form.set({ model: 'digits', version: 2, replicas: 3 });
  assert.equal((await form.submit())?.name, 'digits');
  assert.deepEqual(asked, [{ name: 'digits', model: 'digits', version: 2, replicas: 3 }]);
});

test('what is empty or no name is said at its field, and nobody is asked', async () => {
  const { form, asked } = aForm();
  for (const [change, field] of [
    [{ model: '' }, 'model'],
    [{ model: 'digits', name: 'No Name' }, 'name'],
    [{ source: 'file', path: ' ' }, 'path'],
    [{ path: 'net.onnx', publishAs: '-' }, 'publishAs']
  ] as const) {
    form.set(change);
    assert.equal(await form.submit(), null);
    assert.deepEqual([form.field, form.error], [field, null]);
  }
  assert.deepEqual(asked, []);
});

test('an error of the server stands at its field until that is changed', async () => {
  const { form, refuse } = aForm();
  refuse.deploy = new LabError('must be at most 8 here.', '', 'invalid_request', 400, 'replicas');
  form.set({ model: 'digits', replicas: 20 });
  assert.equal(await form.submit(), null);
  assert.deepEqual([form.field, form.error, form.step], ['replicas', refuse.deploy, null]);
  form.set({ name: 'other' });
  assert.equal(form.field, 'replicas');
  form.set({ replicas: 9 });
  assert.deepEqual([form.field, form.error], [null, null]);
});

test('a file that is no model is said at the path, what is about no field below', async () => {
  const { form, refuse } = aForm();
  form.set({ source: 'file', path: 'net.onnx' });
  refuse.publish = new LabError('is not an ONNX model.', '', 'invalid_request', 400, 'model');
  await form.submit();
  assert.equal(form.field, 'path');
  refuse.publish = new LabError('no image that serves is built.', 'Run: x', 'unavailable', 503);
  await form.submit();
  assert.deepEqual([form.field, form.error?.hint], [null, 'Run: x']);
});

test('a file is published once, also when the deployment has to be tried again', async () => {
  const { form, asked, refuse } = aForm();
  refuse.deploy = new LabError('must be at most 8 here.', '', 'invalid_request', 400, 'replicas');
  form.set({
    source: 'file',
    path: 'models/net.onnx',
    name: 'prod',
    replicas: 20
  });
  await form.submit();
  delete refuse.deploy;
  form.set({ replicas: 1 });
  await form.submit();
  assert.deepEqual(asked, [
    ['net', 'models/net.onnx'],
    { name: 'prod', model: 'net', version: 7, replicas: 20 },
    { name: 'prod', model: 'net', version: 7, replicas: 1 }
  ]);
});

test('a path is helped on with directories and model files, asked for once each', async () => {
  const { form, asked } = aForm();
  form.set({ source: 'file' });
  await form.suggest();
  assert.deepEqual(form.paths, ['net.onnx', 'other.PT2', 'models/']);
  form.set({ path: 'mod' });
  await form.suggest();
  form.set({ path: 'models/n' });
  await form.suggest();
  assert.deepEqual([asked, form.paths], [['', 'models/'], []]);
});

test('a directory that is not there gives no suggestions; a fault of ours is not hidden', async () => {
  const { form, refuse } = aForm();
  refuse.list = new LabError('There is no x.', '', 'not_found', 404);
  await form.suggest();
  assert.deepEqual(form.paths, []);
  refuse.list = new TypeError('ours');
  form.set({ path: 'y/' });
  await assert.rejects(form.suggest(), /ours/);
});

test('a deployment follows the load between the bounds that are typed', async () => {
  const { form, asked } = aForm();
  form.set({ model: 'digits', follow: true });
  form.setScale('min', '0');
  form.setScale('max', '6');
  form.setScale('target', '2.5');
  form.setScale('idle', '1.5');
  await form.submit();
  const autoscale = {
    min: 0,
    max: 6,
    signal: 'inflight',
    target: 2.5,
    idle: 90
  };
  assert.deepEqual(asked, [
    { name: 'digits', model: 'digits', version: null, replicas: 1, autoscale }
  ]);
});

test('a bound that cannot be had is said at its field, and only while the load is followed', async () => {
  const { form, asked } = aForm();
  form.set({ model: 'digits', follow: true });
  for (const [field, bad, good] of [
    ['min', ['', '-1', '33', '0.5'], '2'],
    ['max', ['1', '33', 'x'], '3'],
    ['target', ['', '0', '1001'], '4']
  ] as const) {
    for (const value of bad) {
      form.setScale(field, value);
      assert.equal(await form.submit(), null);
      assert.equal(form.field, field, `${field} ${value}`);
    }
    form.setScale(field, good);
    assert.equal(form.field, null);
  }
  // How long nobody has to ask counts only where all may end.
  form.setScale('idle', '0');
  form.setScale('max', '1');
  form.set({ follow: false });
  assert.notEqual(await form.submit(), null);
  assert.equal(asked.length, 1);
  form.set({ follow: true });
  form.setScale('max', '3');
  form.setScale('min', '0');
  await form.submit();
  assert.equal(form.field, 'idle');
});

test('what the server refuses of following the load stands at that field', async () => {
  const { form, refuse } = aForm();
  form.set({ model: 'digits', follow: true });
  for (const [field, at] of [
    ['autoscale.target', 'target'],
    ['autoscale', 'max'],
    ['autoscale.signal', null]
  ] as const) {
    refuse.deploy = new LabError('cannot be had here.', '', 'invalid_request', 400, field);
    await form.submit();
    assert.equal(form.field, at);
  }
});

test('who changes a deployment begins with what it is now, of the version that it serves', async () => {
  const { form, asked } = aForm();
  const autoscale = {
    min: 1,
    max: 3,
    signal: 'gpu' as const,
    target: 0.7,
    idle: 600
  };
  form.take(
    aDeployment('prod', 'READY', {
      spec: {
        name: 'prod',
        model: 'digits',
        version: null,
        replicas: 2,
        autoscale
      }
    })
  );
  assert.equal(form.begun, 'prod');
  form.setScale('max', '5');
  await form.submit();
  assert.deepEqual(asked, [
    {
      name: 'prod',
      model: 'digits',
      version: 3,
      replicas: 2,
      autoscale: { ...autoscale, max: 5 }
    }
  ]);
});
