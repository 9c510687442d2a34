import assert from 'node:assert/strict';
import test from 'node:test';
import { alertActions } from '../../labextension/src/alertactions';
import type { IAlert } from '../../labextension/src/alertspecs';
import type { IHolder } from '../../labextension/src/gpuspecs';
import { trans } from './fakes';
import { aGpu, anAlert, JOB, LAB } from './gpufakes';

/** What an alert offers ada in her lab `mine-1`, and what that executes. */
function offered(alert: IAlert, holder?: IHolder | null, more: object = {}, mayRelease = true) {
  const executed: unknown[] = [];
  const commands = {
    hasCommand: () => true,
    isVisible: () => mayRelease,
    execute: async (...args: unknown[]) => void executed.push(args)
  };
  const report = holder === undefined ? null : { gpus: [aGpu(0, { holder })] };
  const gpus = { report, user: 'ada', lab: 'mine-1', ...more };
  const actions = alertActions(commands as never, gpus as never, trans)(alert);
  actions.forEach(({ execute }) => execute());
  return [actions.map(({ label }) => label), executed];
}

const nothing = [[], []];

test("one's own job opens its logs and a deployment its tab, other people's do not", () => {
  const job = anAlert('stalled', { kind: 'job', subject: 'digits-1' });
  assert.deepEqual(offered(job), [['Open logs'], [['dllab:open-logs', { id: 'digits-1' }]]]);
  const model = anAlert('errors', { kind: 'deployment', subject: 'net' });
  assert.deepEqual(offered(model), [['Open'], [['dllab:open-deployment', { name: 'net' }]]]);
  for (const alert of [job, model]) {
    assert.deepEqual(offered({ ...alert, owner: 'bob' }), nothing);
    assert.deepEqual(offered(alert, undefined, { user: '' }), nothing);
  }
});

test('a GPU that this lab holds for nothing can be released, and no other', () => {
  const idle = anAlert('idle', { rule: 'GPUIdleHeld' });
  const release = [['Release GPUs'], [['dllab:release-gpus', { gpu: 'GPU 0' }]]];
  assert.deepEqual(offered(idle, LAB), release);
  assert.deepEqual(offered(idle), nothing, 'who has it is not known');
  assert.deepEqual(offered(idle, null), nothing);
  assert.deepEqual(offered(idle, JOB), nothing);
  assert.deepEqual(offered(idle, { ...LAB, id: 'other-1' }), nothing);
  assert.deepEqual(offered(idle, LAB, { lab: '' }), nothing);
  assert.deepEqual(offered(idle, { ...LAB, id: '' }, { lab: '' }), nothing);
  assert.deepEqual(offered(idle, { ...LAB, lent_to: JOB }), nothing);
  assert.deepEqual(offered(idle, LAB, {}, false), nothing);
  assert.deepEqual(offered(anAlert('hot'), LAB), nothing);
});
