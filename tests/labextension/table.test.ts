import assert from 'node:assert/strict';
import test from 'node:test';
import { PredictForm } from '../../labextension/src/model/predict';
import { pastedCells, tableRows, tableText } from '../../labextension/src/model/table';
import { TableForm } from '../../labextension/src/model/tableform';
import { columnsOf } from '../../labextension/src/model/ways';
import { aTensor, aVersion } from './servingfakes';

const three = columnsOf([aTensor('x', [null, 3])]);

test('cells become rows of numbers as they were typed, and empty rows none', () => {
  const rows = [
    ['1', ' -2.50', '12345678901234567890'],
    ['', '', ''],
    ['+1', '.5', '007']
  ];
  assert.equal(
    tableText(rows, three),
    '{\n  "instances": [[1, -2.50, 12345678901234567890], [1, 0.5, 7]]\n}'
  );
});

test('the first cell that is no value is named', () => {
  for (const bad of ['', 'x', '1,5', 'NaN', 'Infinity', '0x10', '1e', '--1', 'constructor']) {
    assert.deepEqual(
      tableText(
        [
          ['1', '2', '3'],
          ['1', bad, '']
        ],
        three
      ),
      { row: 1, column: 1 },
      bad
    );
  }
  assert.deepEqual(tableText([['', '', '']], three), { row: 0, column: 0 });
});

test('a row of several inputs is an object, with text and truth as they are', () => {
  const columns = columnsOf([
    aTensor('a', [null, 1]),
    aTensor('on', [null], 'BOOL'),
    aTensor('name', [null], 'BYTES')
  ]);
  const text = tableText([['1', 'TRUE', '<b>"']], columns);
  assert.deepEqual(JSON.parse(text as string).instances, [{ a: [1], on: true, name: '<b>"' }]);
  assert.deepEqual(tableRows(text as string, columns), [['1', 'true', '<b>"']]);
  assert.deepEqual(tableText([['1', 'constructor', '']], columns), { row: 0, column: 1 });
});

test('a request is shown as a table where it is one', () => {
  assert.deepEqual(
    tableRows('{"instances": [[1, -2.5, 1e30]]}', three)?.[0].map(Number),
    [1, -2.5, 1e30]
  );
  for (const other of [
    '{"instances": [[1, 2]]}',
    '{"instances": [[1, 2, 3, 4]]}',
    '{"instances": [[1, 2, [3]]]}',
    '{"instances": [[1, 2, null]]}',
    '{"instances": []}',
    '{"inputs": []}',
    'null',
    'not'
  ]) {
    assert.equal(tableRows(other, three), null, other);
  }
});

test('what a spreadsheet copies becomes cells, whatever stands between them', () => {
  const cells = [
    ['1', '2'],
    ['3', '4']
  ];
  for (const text of ['1\t2\r\n3\t4\r\n', '1,2\n3,4', '1;2\n3;4\n', '"1",2\n3,"4"']) {
    assert.deepEqual(pastedCells(text), cells);
  }
  assert.deepEqual(pastedCells('1,5\t2'), [['1,5', '2']]);
});

/** A table of three columns. */
function aTable() {
  const table = new TableForm();
  table.fit(aVersion(1, { inputs: [aTensor('x', [null, 3])] }));
  return table;
}

test('pasted cells go on from the cell that has the focus, and rows grow as needed', () => {
  const table = aTable();
  assert.equal(table.paste({ row: 0, column: 0 }, '5'), false);
  assert.equal(table.paste({ row: 0, column: 1 }, '1\t2\t99\n3\t4'), true);
  assert.deepEqual(table.rows, [
    ['', '1', '2'],
    ['', '3', '4']
  ]);
  assert.equal(table.text, null);
  table.set(0, 0, '0');
  table.remove(1);
  assert.deepEqual(JSON.parse(table.text ?? '').instances, [[0, 1, 2]]);
  table.remove(0);
  assert.deepEqual(table.rows, [['', '', '']]);
});

test('rows that have no room are said and not taken', () => {
  const table = aTable();
  table.paste({ row: 0, column: 0 }, '1\t2\t3\n'.repeat(130));
  assert.deepEqual([table.rows.length, table.cut], [100, 30]);
  table.add();
  assert.equal(table.rows.length, 100);
});

test('a table writes the request, and a cell that is none keeps it from being sent', async () => {
  const sent: string[] = [];
  const form = new PredictForm(async text => {
    sent.push(text);
    return '{}';
  });
  form.offer(aVersion(1, { inputs: [aTensor('x', [null, 3])] }));
  form.choose('table');
  assert.deepEqual(form.table.rows, [['0', '0', '0']]);
  form.table.set(0, 1, '7');
  assert.deepEqual(JSON.parse(form.text).instances, [[0, 7, 0]]);
  form.table.set(0, 2, 'x');
  await form.send();
  assert.deepEqual([sent, form.table.flaw], [[], { row: 0, column: 2 }]);
  form.table.set(0, 2, '1');
  assert.equal(form.table.flaw, null);
  await form.send();
  assert.deepEqual(JSON.parse(sent[0]).instances, [[0, 7, 1]]);
});

test('a table follows the request that is typed, and does not keep what it cannot show from being sent', async () => {
  const sent: string[] = [];
  const form = new PredictForm(async text => {
    sent.push(text);
    return '{}';
  });
  form.offer(aVersion(1, { inputs: [aTensor('x', [null, 3])] }));
  form.choose('table');
  form.table.set(0, 0, 'x');
  form.write('{"instances": [[1, 2, 3], [4, 5, 6]]}');
  assert.deepEqual(form.table.rows[1], ['4', '5', '6']);
  form.write('{"instances": [[1]]}');
  await form.send();
  assert.deepEqual(sent, ['{"instances": [[1]]}']);
});

test('a way that the next version has no use for is left', () => {
  const form = new PredictForm(async () => '');
  form.offer(aVersion(1, { inputs: [aTensor('x', [null, 3])] }));
  form.choose('table');
  form.offer(aVersion(2, { inputs: [aTensor('x', [null, 3, 3])] }));
  assert.deepEqual([form.way, form.ways], ['json', ['json']]);
});
