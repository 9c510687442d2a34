import assert from 'node:assert/strict';
import test from 'node:test';
import {
  cellsOf,
  type ICell,
  isNotebookOnly,
  placeIn,
  scriptOf
} from '../../labextension/src/model/notebook';

function aCell(number: number, source: string, more: Partial<ICell> = {}): ICell {
  return { number, source, selected: false, tags: [], ...more };
}

test('cells are chosen by selection or by tag, and empty ones are left out', () => {
  const cells = [
    aCell(1, 'a', { selected: true }),
    aCell(3, 'b', { tags: ['train', 'x'] }),
    aCell(4, '  \n', { selected: true, tags: ['train'] }),
    aCell(5, 'c', { selected: true, tags: ['trains'] })
  ];
  const numbers = (which: 'selected' | 'tagged') =>
    cellsOf({ path: 'n.ipynb', cells }, which).map(({ number }) => number);
  assert.deepEqual(numbers('selected'), [1, 5]);
  assert.deepEqual(numbers('tagged'), [3]);
});

test('a line of the script is told by its cell and its line there', () => {
  const cells = [aCell(2, 'one\ntwo'), aCell(5, '%%train --workers 2\nthree'), aCell(9, 'four\n')];
  const lines = scriptOf(cells).split('\n');
  assert.deepEqual(lines, [
    '# %% cell 2',
    'one',
    'two',
    '',
    '# %% cell 5',
    '# %%train --workers 2',
    'three',
    '',
    '# %% cell 9',
    'four',
    '',
    ''
  ]);
  const at = (text: string) => placeIn(cells, lines.indexOf(text) + 1);
  assert.deepEqual(at('one'), { cell: 2, line: 1 });
  assert.deepEqual(at('two'), { cell: 2, line: 2 });
  assert.deepEqual(at('three'), { cell: 5, line: 2 });
  assert.deepEqual(at('four'), { cell: 9, line: 1 });
  assert.equal(placeIn(cells, 99), null);
});

test('what works in a notebook only is told from Python', () => {
  for (const line of ['%pip install x', '  !ls', 'files = !ls', 'x = %time f()', 'torch.nn?']) {
    assert.equal(isNotebookOnly(`pass\n${line}`, 2), true, line);
  }
  for (const line of ['a % b', 'if a != b:', 'x = 5 % 3', '# why']) {
    assert.equal(isNotebookOnly(line, 1), false, line);
  }
});
