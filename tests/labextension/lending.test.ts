import assert from 'node:assert/strict';
import test from 'node:test';
import { holderLabel } from '../../labextension/src/format';
import { lendings } from '../../labextension/src/model/lending';
import type { IGpu, IGpuReport, IHolder } from '../../labextension/src/gpuspecs';
import { trans } from './fakes';

const mine: IHolder = { kind: 'lab', owner: 'ada', name: 'mine', id: 'mine-1', lend: false };
const job: IHolder = { kind: 'job', owner: 'ada', name: 'digits', id: 'digits-1' };

function aReport(...holders: (IHolder | null)[]): IGpuReport {
  const gpus = holders.map((holder, index) => ({ index, uuid: `GPU-${index}`, holder }) as IGpu);
  return { state: 'ok', message: '', hint: '', time: 0, driver: '', gpus };
}

test("a lab of one's own has one switch, however many GPUs it holds", () => {
  const second = { ...mine, id: 'second-1', name: '', lend: true };
  const found = lendings(aReport(mine, job, second, mine, null));
  assert.deepEqual(
    found.map(({ id, name, lend, gpus }) => [id, name, lend, gpus.map(gpu => gpu.index)]),
    [
      ['mine-1', 'mine', false, [0, 3]],
      ['second-1', 'second-1', true, [2]]
    ]
  );
});

test("other people's labs and servers that know no lending have none", () => {
  const hers: IHolder = { kind: 'lab', owner: '', name: '', id: '', lend: false };
  const { lend: _, ...older } = mine;
  assert.deepEqual(lendings(aReport(hers, older, null)), []);
});

test('a GPU that is lent says to which job', () => {
  const lent = { ...mine, lend: true, lent_to: job };
  assert.equal(holderLabel(lent, trans), 'held by lab mine, lent to job digits');
  assert.equal(holderLabel({ ...lent, lent_to: null }, trans), 'held by lab mine, which lends it');
  assert.equal(holderLabel(mine, trans), 'held by lab mine');
});
