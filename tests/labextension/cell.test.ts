import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { toCell } from '../../labextension/src/model/cell';
import type { ISpec } from '../../labextension/src/trainspec';

/** Wishes, and the cells that `dllab_hub/cellof.py` makes of them; `test_cells.py` holds it to them. */
const CELLS: { spec: ISpec; cell: string }[] = JSON.parse(
  readFileSync(join(process.cwd(), '../tests/labextension/cells.json'), 'utf8')
);

for (const [at, { spec, cell }] of CELLS.entries()) {
  test(`wish ${at + 1} becomes the cell that the notebook’s own client makes`, () => {
    assert.equal(toCell(spec), cell);
  });
}
