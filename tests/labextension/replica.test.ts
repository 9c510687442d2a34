import assert from 'node:assert/strict';
import test from 'node:test';
import { LabError } from '../../labextension/src/errors';
import { DeployForm } from '../../labextension/src/model/deployform';
import { REPLICA, replicaFlaw } from '../../labextension/src/model/replica';
import type { IDeploymentSpec } from '../../labextension/src/serving';
import { aDeployment, aVersion } from './servingfakes';

const WISH = { name: 'digits', model: 'digits', version: null, replicas: 1 };

/** A form for a published model, and what was sent; the server refuses what it is told to. */
function aForm() {
  const sent: IDeploymentSpec[] = [];
  const refuse: { field?: string } = {};
  const form = new DeployForm(
    async () => aVersion(1),
    async spec => {
      sent.push(spec);
      if (refuse.field !== undefined) {
        throw new LabError('cannot be had.', '', 'invalid_request', 400, refuse.field);
      }
      return aDeployment(spec.name);
    },
    async () => []
  );
  form.set({ model: 'digits' });
  return { form, sent, refuse };
}

test('only what is set is sent of what each replica gets', async () => {
  const { form, sent } = aForm();
  await form.submit();
  form.setEach('gpus', '0');
  form.setEach('wait', '');
  await form.submit();
  form.setEach('gpus', '2');
  form.setEach('cpus', '4');
  form.setEach('size', '64');
  form.setEach('wait', '2.5');
  await form.submit();
  assert.deepEqual(sent, [
    WISH,
    WISH,
    { ...WISH, gpus: 2, cpus: 4, batch: { size: 64, wait: 0.0025 } }
  ]);
});

test('what a replica cannot have is said at its field, and nobody is asked', async () => {
  for (const [field, values, least, most] of [
    ['gpus', ['-1', '9', '1.5', 'x'], 0, 8],
    ['cpus', ['0', '65'], 1, 64],
    ['size', ['1', '1025', '2.5'], 2, 1024],
    ['wait', ['', '-1', '1001'], 0, 1000]
  ] as const) {
    for (const value of values) {
      const { form, sent } = aForm();
      form.setEach('size', '8');
      form.setEach(field, value);
      assert.equal(await form.submit(), null);
      assert.deepEqual([form.field, sent], [field, []], value);
      const flaw = replicaFlaw(form.each);
      assert.deepEqual([flaw?.least, flaw?.most], [least, most]);
      form.setEach(field, '3');
      assert.equal(form.field, null);
      assert.notEqual(await form.submit(), null);
    }
  }
});

test('what the server refuses of them stands at the field that it is about', async () => {
  const { form, refuse } = aForm();
  for (const [name, field] of [
    ['gpus', 'gpus'],
    ['cpus', 'cpus'],
    ['batch', 'size'],
    ['batch.wait', 'wait']
  ] as const) {
    refuse.field = name;
    await form.submit();
    assert.equal(form.field, field);
  }
});

test('the load of GPUs is followed only while there are some', async () => {
  const { form, sent } = aForm();
  form.set({ follow: true });
  form.setEach('gpus', '1');
  assert.equal(form.hasGpus, true);
  form.setSignal('gpu');
  await form.submit();
  assert.deepEqual([sent[0].autoscale?.signal, sent[0].autoscale?.target], ['gpu', 0.7]);
  form.setEach('gpus', '');
  await form.submit();
  assert.deepEqual([sent[1].autoscale?.signal, sent[1].autoscale?.target], ['inflight', 4]);
});

test('who changes a deployment begins with what each replica gets now', async () => {
  const { form } = aForm();
  const spec = { ...WISH, gpus: 1, cpus: null, batch: { size: 16, wait: 0.01 } };
  form.take(aDeployment('digits', 'READY', { spec }));
  assert.deepEqual(form.each, { gpus: '1', cpus: '', size: '16', wait: '10' });
  form.take(aDeployment('digits'));
  assert.deepEqual(form.each, REPLICA);
});
