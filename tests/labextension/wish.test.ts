import assert from 'node:assert/strict';
import test from 'node:test';
import { EMPTY, type IDraft, problemsOf } from '../../labextension/src/model/draft';
import { changesOf, draftOf, fieldFor, gpusOf, toSpec } from '../../labextension/src/model/wish';
import { aJob, trans } from './fakes';

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
    cpus: '-1',
    memory: '4',
    limit: '90',
    priority: '101',
    args: '"'
  };
  const catalog = { images: [], volumes: [], default_image: '', max_gpus: 8, max_replicas: 4 };
  const problems = problemsOf(wrong, catalog, trans);
  assert.deepEqual(Object.keys(problems).sort(), [
    'args',
    'cpus',
    'every',
    'gpus',
    'limit',
    'memory',
    'name',
    'path',
    'priority',
    'restarts',
    'workers'
  ]);
  assert.equal(problems.workers, 'Give a whole number from 1 to 4.');
  assert.equal(problems.gpus, 'Give a whole number from 0 to 8.');
});

test('a field that is not in sight is not wrong', () => {
  const single = { ...EMPTY, code: 'same', name: 'a', strategy: 'single', workers: 'x' };
  assert.deepEqual(problemsOf(single, null, trans), {});
  const ps = { ...EMPTY, code: 'cells', name: 'a', strategy: 'ps', servers: '0' };
  assert.deepEqual(Object.keys(problemsOf(ps, null, trans)), ['notebook', 'servers']);
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
  const code = { source: 'pass', filename: 'a.py', args: [], files: { 'm.py': '' } };
  assert.deepEqual(toSpec(draft, 'pytorch', code), {
    name: 'a',
    target: null,
    image: 'pytorch',
    strategy: 'allreduce',
    code: { ...code, args: ['--lr', '0.1'] },
    roles: [{ name: 'worker', replicas: 2, gpus: 1, cpus: null, memory: null }],
    success_role: null,
    max_restarts: 0,
    checkpoint_every: 50,
    time_limit: null,
    priority: 0,
    resume_after_reboot: false,
    tags: [],
    stall_after: 1800,
    on_stall: 'alert'
  });
});

test('tags and silence are read as people type them', () => {
  const draft = { ...EMPTY, tags: ' a, b/0.1 ', silence: '90 s', relaunch: 'yes' };
  const { tags, stall_after, on_stall } = toSpec(draft, 'here', CODE);
  assert.deepEqual([tags, stall_after, on_stall], [['a', 'b/0.1'], 90, 'relaunch']);
  const problems = (more: Partial<IDraft>) =>
    Object.keys(problemsOf({ ...EMPTY, path: 'a.py', name: 'a', ...more }, null, trans));
  assert.deepEqual(problems({}), []);
  assert.deepEqual(problems({ tags: 'a a' }), ['tags']);
  assert.deepEqual(problems({ tags: '<img>' }), ['tags']);
  assert.deepEqual(problems({ silence: '5 s' }), ['silence']);
  assert.deepEqual(problems({ silence: '', relaunch: 'yes' }), ['silence']);
  assert.deepEqual(problems({ silence: '' }), []);
});

const CODE = { source: 'pass', filename: 'a.py', args: [], files: {} };

test('a parameter server has three roles, of which the workers have the GPUs', () => {
  const draft: IDraft = {
    ...EMPTY,
    strategy: 'ps',
    workers: '3',
    servers: '2',
    gpus: '1',
    cpus: '1.5',
    memory: '2 GiB',
    limit: '90 min',
    priority: '5',
    reboot: 'yes'
  };
  const spec = toSpec(draft, 'tf', CODE);
  const each = { cpus: 1.5, memory: 2 ** 31 };
  assert.deepEqual(spec.roles, [
    { name: 'chief', replicas: 1, gpus: 0, ...each },
    { name: 'ps', replicas: 2, gpus: 0, ...each },
    { name: 'worker', replicas: 3, gpus: 1, ...each }
  ]);
  assert.deepEqual(
    [spec.time_limit, spec.priority, spec.resume_after_reboot, gpusOf(draft)],
    [5400, 5, true, 3]
  );
  const single = toSpec({ ...draft, strategy: 'single' }, 'tf', CODE);
  assert.deepEqual(single.roles, [{ name: 'worker', replicas: 1, gpus: 1, ...each }]);
});

test('a wish in a form that nobody touches is the same wish', () => {
  const { spec } = aJob('a');
  const [role] = spec.roles;
  for (const more of [
    {},
    { tags: ['a', 'b'], stall_after: null },
    { stall_after: 45, on_stall: 'relaunch' as const },
    { time_limit: 90061, priority: -3, resume_after_reboot: true, max_restarts: 0 },
    { code: { ...spec.code, args: ['--note', "it's", ''], files: { 'm.py': '1' } } },
    { roles: [{ ...role, processes: 3, cpus: 0.5, memory: 1234567890 }] },
    {
      strategy: 'ps' as const,
      roles: [
        { ...role, name: 'worker', replicas: 3, gpus: 1, memory: 2 ** 30 },
        { ...role, name: 'chief', replicas: 1, gpus: 1, cpus: 4 },
        { ...role, name: 'ps', replicas: 2 }
      ].sort((a, b) => (a.name < b.name ? -1 : 1))
    },
    {
      strategy: 'custom' as const,
      roles: [{ ...role, name: 'actor', command: ['sh'] }],
      success_role: 'actor'
    },
    { code: { ...spec.code, kind: 'module' as const, module: 'a.b', source: '' } }
  ]) {
    const old = { ...spec, ...more };
    const again = toSpec(draftOf(old), old.image, old.code, old);
    assert.deepEqual(changesOf(old, again), {}, JSON.stringify(more));
  }
});

test('what is changed is sent, and nothing else', () => {
  const { spec } = aJob('a');
  const changed = (more: Partial<IDraft>) =>
    changesOf(spec, toSpec({ ...draftOf(spec), ...more }, spec.image, spec.code, spec));
  assert.deepEqual(changed({ limit: '2 h' }), { time_limit: 7200 });
  assert.deepEqual(changed({ args: '--lr 1' }), { code: { args: ['--lr', '1'] } });
  assert.deepEqual(changed({ workers: '3' }), { roles: [{ ...spec.roles[0], replicas: 3 }] });
  // Of another strategy a role keeps nothing: what it had may not be possible there.
  const [role] = spec.roles;
  const old = { ...spec, roles: [{ ...role, replicas: 1, processes: 2 }] };
  const single = toSpec({ ...draftOf(old), strategy: 'single' }, '', spec.code, old);
  assert.equal(single.roles[0].processes, undefined);
  const custom = { ...spec, strategy: 'custom' as const, success_role: 'actor' };
  const reduce = toSpec({ ...draftOf(custom), strategy: 'allreduce' }, '', spec.code, custom);
  assert.equal(reduce.success_role, null);
});

test('an error of the server belongs to the field it is about', () => {
  const ps = { ...EMPTY, strategy: 'ps' };
  for (const [field, draft, expected] of [
    ['roles.0.gpus', EMPTY, 'gpus'],
    ['roles.0.replicas', EMPTY, 'workers'],
    ['roles.1.replicas', ps, 'servers'],
    ['roles.2.cpus', ps, 'cpus'],
    ['code.args.3', EMPTY, 'args'],
    ['code.source', EMPTY, 'path'],
    ['code.source', { ...EMPTY, code: 'cells' }, 'cells'],
    ['code.source', { ...EMPTY, code: 'same' }, null],
    ['roles.0.replicas', { ...EMPTY, strategy: 'custom' }, null],
    ['time_limit', EMPTY, 'limit'],
    ['resume_after_reboot', EMPTY, 'reboot'],
    ['target', EMPTY, 'target'],
    ['tags.0', EMPTY, 'tags'],
    ['stall_after', EMPTY, 'silence'],
    ['env', EMPTY, null],
    ['', EMPTY, null]
  ] as const) {
    assert.equal(fieldFor(field, draft), expected, field);
  }
});
