import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { LabApi } from '../../labextension/src/api';
import { LabError } from '../../labextension/src/errors';
import { EMPTY, fieldFor, nameFor, problemsOf, toSpec } from '../../labextension/src/model/draft';
import { type IFiles, importsOf, localModules } from '../../labextension/src/model/imports';
import { TrainForm } from '../../labextension/src/model/trainform';
import type { ITrainingSpec } from '../../labextension/src/specs';
import { splitWords } from '../../labextension/src/words';
import { aJob, anApi, settle, trans } from './fakes';

/** Files that are only in memory. */
class FakeFiles implements IFiles {
  constructor(private readonly _files: Record<string, string>) {}

  async read(path: string): Promise<string> {
    if (!(path in this._files)) {
      throw new LabError(`there is no ${path}.`, '', 'not_found', 404, 'path');
    }
    return this._files[path];
  }

  async list(path: string): Promise<string[]> {
    const inside = Object.keys(this._files).filter(name => name.startsWith(path));
    if (inside.length === 0) {
      throw new LabError('no such directory.');
    }
    const names = inside.map(name => /^[^/]+\/?/.exec(name.slice(path.length))![0]);
    return [...new Set(names)];
  }
}

test('arguments are split as a shell would split them', () => {
  for (const [line, words] of [
    ['', []],
    ['  --lr  0.1 ', ['--lr', '0.1']],
    [`"a b" c'd e'f`, ['a b', 'cd ef']],
    [String.raw`a\ b "c\"d\n" '\x'`, ['a b', String.raw`c"d\n`, String.raw`\x`]],
    [`'' ""`, ['', '']],
    ['end\\', ['end\\']],
    ['"open', null],
    [`it's`, null]
  ] as const) {
    assert.deepEqual(splitWords(line), words, line);
  }
});

test('a file’s name becomes a name that the server takes', () => {
  assert.equal(nameFor('src/My Train_2.py'), 'my-train-2');
  assert.equal(nameFor('train.py'), 'train');
  assert.equal(nameFor('训练.py'), '');
  assert.equal(nameFor(`${'x'.repeat(39)}-yz.py`), 'x'.repeat(39));
});

test('each field is checked, and the sentence says what it takes', () => {
  const whole = { ...EMPTY, path: 'a.py', name: 'a' };
  assert.deepEqual(problemsOf(whole, null, trans), {});
  const wrong = {
    ...EMPTY,
    path: 'a.ipynb',
    name: 'A',
    workers: '0',
    gpus: '1.5',
    every: '',
    restarts: '101',
    args: '"'
  };
  const catalog = { images: [], volumes: [], default_image: '', max_gpus: 8, max_replicas: 4 };
  const problems = problemsOf(wrong, catalog, trans);
  assert.deepEqual(Object.keys(problems).sort(), [
    'args',
    'every',
    'gpus',
    'name',
    'path',
    'restarts',
    'workers'
  ]);
  assert.equal(problems.workers, 'Give a whole number from 1 to 4.');
  assert.equal(problems.gpus, 'Give a whole number from 0 to 8.');
});

test('what is typed becomes the wish that the server takes', () => {
  const draft = {
    ...EMPTY,
    path: 'src/a.py',
    name: 'a',
    workers: '2',
    gpus: '1',
    every: '50',
    restarts: '0',
    args: '--lr 0.1'
  };
  assert.deepEqual(toSpec(draft, 'pytorch', 'pass', { 'm.py': '' }), {
    name: 'a',
    image: 'pytorch',
    code: {
      source: 'pass',
      filename: 'a.py',
      args: ['--lr', '0.1'],
      files: { 'm.py': '' }
    },
    roles: [{ name: 'worker', replicas: 2, gpus: 1 }],
    max_restarts: 0,
    checkpoint_every: 50
  });
});

test('an error of the server belongs to the field it is about', () => {
  assert.equal(fieldFor('roles.0.gpus'), 'gpus');
  assert.equal(fieldFor('roles.0.replicas'), 'workers');
  assert.equal(fieldFor('code.args.3'), 'args');
  assert.equal(fieldFor('code.source'), 'path');
  assert.equal(fieldFor('env'), null);
  assert.equal(fieldFor(''), null);
});

test('import statements are read in all their forms', () => {
  const source = [
    'import a, b.c as d  # why',
    '    import e',
    'from f.g import h as i, j',
    'from . import k',
    'from ..l import (',
    '  m,  # first',
    '  n as o,',
    ')',
    'from p import \\',
    '  q',
    'x = "import r"',
    'important = 1'
  ].join('\n');
  assert.deepEqual(
    importsOf(source).map(({ up, parts }) => '.'.repeat(up) + parts.join('.')),
    ['a', 'b.c', 'e', 'f.g', 'f.g.h', 'f.g.j', '.k', '..l', '..l.m', '..l.n', 'p', 'p.q']
  );
});

test('the modules beside a script travel with it, and theirs', async () => {
  const files = new FakeFiles({
    'work/train.py': '',
    'work/model.py': 'import layers.dense\nimport model\n',
    'work/layers/__init__.py': '',
    'work/layers/dense.py': 'from . import base\nfrom ..other import x\n',
    'work/layers/base.py': '',
    'work/plain/inner.py': 'import torch',
    'work/other.py': 'import train',
    'work/unused.py': '',
    'model.py': ''
  });
  const source = 'import numpy, model\nfrom plain.inner import x\n';
  const found = await localModules('work/train.py', source, files);
  assert.deepEqual(Object.keys(found).sort(), [
    'layers/__init__.py',
    'layers/base.py',
    'layers/dense.py',
    'model.py',
    'other.py',
    'plain/inner.py'
  ]);
  assert.equal(found['plain/inner.py'], 'import torch');
});

const catalog = {
  images: [
    { name: 'pytorch', title: 'PyTorch' },
    { name: 'jax', title: 'JAX' }
  ],
  volumes: [],
  default_image: 'pytorch',
  max_gpus: 8,
  max_replicas: 4
};

/** A form with the files `train.py` and `net.py`. */
function aForm(t: TestContext, methods: Partial<Record<keyof LabApi, unknown>> = {}): TrainForm {
  const api = anApi({
    catalog: async () => catalog,
    lab: async () => ({ volumes: [{ name: 'sets' }, { name: 'gone' }] }),
    capacity: async (gpus: number) => ({
      total: 2,
      free: 2,
      holders: [],
      forecast: { answer: gpus > 2 ? 'never' : 'now', message: `for ${gpus}` }
    }),
    ...methods
  });
  const files = new FakeFiles({ 'train.py': 'import net', 'net.py': '1', 'src/deep.py': '' });
  const form = new TrainForm(api, files, trans);
  t.after(() => form.dispose());
  return form;
}

test('a form tells what a wish would meet while it is written', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const form = aForm(t);
  const turn = async () => {
    await settle();
    t.mock.timers.tick(0);
    await settle();
  };
  form.watch();
  await turn();
  assert.equal(form.image, 'pytorch');
  assert.equal(form.forecast?.message, 'for 0');
  assert.deepEqual(form.scripts, ['train.py', 'net.py', 'src/']);
  form.set('workers', '3');
  form.set('gpus', '1');
  await turn();
  assert.equal(form.forecast?.message, 'for 3');
  assert.equal(form.forecast?.answer, 'never');
  form.set('gpus', 'x');
  await turn();
  assert.equal(form.forecast, null);
  form.set('path', 'src/');
  await turn();
  assert.deepEqual(form.scripts, ['src/deep.py']);
  form.set('path', 'nowhere/');
  await turn();
  assert.deepEqual(form.scripts, []);
});

test('a name follows the file until somebody types one', t => {
  const form = aForm(t);
  form.set('path', 'train.py');
  assert.equal(form.draft.name, 'train');
  form.set('path', 'src/deep.py');
  assert.equal(form.draft.name, 'deep');
  form.set('name', 'mine');
  form.set('path', 'train.py');
  assert.equal(form.draft.name, 'mine');
});

test('what is submitted is the file, its modules and the choices', async t => {
  const sent: ITrainingSpec[] = [];
  const submit = async (spec: ITrainingSpec) => {
    sent.push(spec);
    return aJob('train-x', 'PENDING');
  };
  const form = aForm(t, { submit });
  form.set('path', 'train.py');
  form.set('image', 'jax');
  const [job, second] = await Promise.all([form.submit(), form.submit()]);
  assert.equal(job?.id, 'train-x');
  assert.equal(second, null);
  assert.equal(sent.length, 1);
  assert.deepEqual(sent[0].code.files, { 'net.py': '1' });
  assert.equal(sent[0].code.source, 'import net');
  assert.equal(sent[0].image, 'jax');
  assert.equal(form.job?.id, 'train-x');
});

test('a job gets the volumes of the lab, or those that are picked', async t => {
  const sent: ITrainingSpec[] = [];
  const submit = async (spec: ITrainingSpec) => {
    sent.push(spec);
    return aJob('train-x', 'PENDING');
  };
  const volumes = ['sets', 'bucket'].map(name => ({ name, title: name, path: '' }));
  const form = aForm(t, { submit, catalog: async () => ({ ...catalog, volumes }) });
  form.set('path', 'train.py');
  await form.submit();
  form.pickVolume('bucket', true);
  await form.submit();
  form.pickVolume('sets', false);
  await form.submit();
  assert.deepEqual(
    sent.map(spec => spec.volumes),
    [['sets'], ['sets', 'bucket'], ['bucket']]
  );
});

test('who submits before the images are known gets the default one', async t => {
  const sent: ITrainingSpec[] = [];
  const submit = async (spec: ITrainingSpec) => {
    sent.push(spec);
    return aJob('train-x', 'PENDING');
  };
  const form = aForm(t, { submit });
  form.set('path', 'train.py');
  await form.submit();
  assert.equal(sent[0].image, 'pytorch');
});

test('what is wrong stands at its field and nothing is sent', async t => {
  const refused = new LabError('there are 2.', 'Ask for less.', 'invalid', 400, 'roles.0.gpus');
  let error = refused;
  const submit = async () => {
    throw error;
  };
  const form = aForm(t, { submit });
  assert.equal(await form.submit(), null);
  assert.deepEqual(Object.keys(form.problems).sort(), ['name', 'path']);
  form.set('path', 'gone.py');
  assert.equal(form.problems.path, undefined);
  assert.equal(await form.submit(), null);
  assert.deepEqual(form.problems, { path: 'There is no gone.py.' });
  form.set('path', 'train.py');
  await form.submit();
  assert.deepEqual(form.problems, { gpus: 'There are 2. Ask for less.' });
  assert.equal(form.refusals, 3);
  error = new LabError('the lab is away.');
  await form.submit();
  assert.deepEqual(form.problems, {});
  assert.equal(form.failure?.message, 'the lab is away.');
  assert.equal(form.isBusy, false);
});
