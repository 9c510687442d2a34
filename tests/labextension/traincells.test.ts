import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { LabApi } from '../../labextension/src/api';
import { LabError } from '../../labextension/src/errors';
import type { INotebook } from '../../labextension/src/model/notebook';
import type { ITrainingSpec } from '../../labextension/src/trainspec';
import { aJob } from './fakes';
import { aForm, FakeFiles } from './formfakes';

/** A notebook with a cell that prepares, two that train and one that cannot. */
const NOTEBOOK: INotebook = {
  path: 'work/Digits 1.ipynb',
  cells: [
    { number: 1, source: '%pip install x', selected: false, tags: [] },
    { number: 2, source: 'import net', selected: true, tags: ['train'] },
    { number: 4, source: 'net.fit(\n  1)', selected: false, tags: ['train'] },
    { number: 5, source: 'pass\n%matplotlib inline', selected: false, tags: [] }
  ]
};

const OTHER: INotebook = {
  path: 'other.ipynb',
  cells: [{ number: 1, source: 'other', selected: true, tags: ['train'] }]
};

/** A form with that notebook in front, and what it sends. */
function aNotebookForm(t: TestContext, methods: Partial<Record<keyof LabApi, unknown>> = {}) {
  const sent: ITrainingSpec[] = [];
  const submit = async (spec: ITrainingSpec) => {
    sent.push(spec);
    return aJob('digits-1-x', 'PENDING');
  };
  const files = new FakeFiles({ 'work/net.py': '2', 'net.py': '1' });
  files.opened = [OTHER, NOTEBOOK];
  const form = aForm(t, { submit, ...methods }, files);
  form.set('notebook', NOTEBOOK.path);
  form.set('code', 'cells');
  return { form, files, sent };
}

test('the cells of an open notebook are sent as one script, with the modules beside it', async t => {
  const { form, sent } = aNotebookForm(t);
  await form.submit();
  form.set('cells', 'tagged');
  await form.submit();
  assert.deepEqual(form.problems, {});
  assert.equal(sent[0].name, 'digits-1');
  assert.equal(sent[0].code.filename, 'digits-1-cells.py');
  assert.deepEqual(sent[0].code.files, { 'net.py': '2' });
  assert.equal(sent[0].code.source, '# %% cell 2\nimport net\n');
  assert.equal(sent[1].code.source, '# %% cell 2\nimport net\n\n# %% cell 4\nnet.fit(\n  1)\n');
});

test('cells are taken as they stand when they are sent, or it is said what is missing', async t => {
  const { form, files, sent } = aNotebookForm(t);
  files.opened = [{ ...NOTEBOOK, cells: [{ ...NOTEBOOK.cells[1], source: 'now = 1' }] }];
  await form.submit();
  assert.match(sent[0].code.source, /now = 1/);
  files.opened = [{ ...NOTEBOOK, cells: [] }];
  form.set('cells', 'tagged');
  await form.submit();
  assert.match(form.problems.cells ?? '', /^No cell of .* has the tag train\. Add it/);
  files.opened = [OTHER];
  await form.submit();
  assert.match(form.problems.cells ?? '', /is not open any more/);
  assert.equal(sent.length, 1);
});

test('an error in a cell leads to its line there, and says what only a notebook knows', async t => {
  const refuse = (line: number, field = 'code.source', message = 'syntax error.') => ({
    submit: async () => {
      throw new LabError(message, 'Nothing was started.', 'invalid', 400, field, line);
    }
  });
  const { form, files } = aNotebookForm(t, refuse(3));
  files.opened = [
    { ...NOTEBOOK, cells: [{ ...NOTEBOOK.cells[3], source: 'import net\n%x', selected: true }] }
  ];
  await form.submit();
  assert.deepEqual(form.place, { path: 'work/Digits 1.ipynb', cell: 5, line: 2 });
  assert.match(form.problems.cells ?? '', /^Syntax error\. This works in a notebook only\./);
  form.set('args', '1');
  assert.equal(form.place, null);

  const other = aNotebookForm(t, refuse(7, 'code.files', 'syntax error in net.py, line 7: x.'));
  await other.form.submit();
  assert.deepEqual(other.form.place, { path: 'work/net.py', cell: null, line: 7 });
});

test('a check sends the wish, shows what was found and where, and starts nothing', async t => {
  const asked: [ITrainingSpec, boolean][] = [];
  const finding = (file: string, line: number | null) => ({
    check: 'imports',
    severity: 'error',
    message: 'there is no module x.',
    hint: 'Install it.',
    file,
    line
  });
  const findings = [finding('digits-1-cells.py', 2), finding('net.py', 1), finding('', null)];
  const preflight = async (spec: ITrainingSpec, deep: boolean) => {
    asked.push([spec, deep]);
    return { findings, seconds: 0.5 };
  };
  const { form, sent } = aNotebookForm(t, { preflight });
  await Promise.all([form.check(), form.check()]);
  assert.deepEqual([asked.length, asked[0][1], sent.length], [1, true, 0]);
  assert.deepEqual(
    form.found?.findings.map(finding => form.placeOf(finding)),
    [
      { path: 'work/Digits 1.ipynb', cell: 2, line: 1 },
      { path: 'work/net.py', cell: null, line: 1 },
      null
    ]
  );
  assert.equal(form.hintFor(form.found!.findings[0]), 'Install it.');
  form.set('workers', '2');
  assert.equal(form.found, null);
  form.set('workers', '0');
  await form.check();
  assert.equal(asked.length, 1);
  assert.match(form.problems.workers ?? '', /whole number/);
});
