import assert from 'node:assert/strict';
import test from 'node:test';
import { nameFor } from '../../labextension/src/model/draft';
import { importsOf, localModules } from '../../labextension/src/model/imports';
import { splitWords } from '../../labextension/src/words';
import { FakeFiles } from './formfakes';

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
