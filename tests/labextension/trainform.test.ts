import assert from 'node:assert/strict';
import test from 'node:test';
import { LabError } from '../../labextension/src/errors';
import type { ITrainingSpec } from '../../labextension/src/trainspec';
import { aJob, settle } from './fakes';
import { aForm, catalog, FakeFiles, FILES } from './formfakes';

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

test('who picks a place picks of what is there, and is told what it would meet there', async t => {
  const sent: ITrainingSpec[] = [];
  const asked: unknown[] = [];
  const methods = {
    submit: async (spec: ITrainingSpec) => {
      sent.push(spec);
      return aJob('train-x', 'PENDING');
    },
    lab: async () => ({ id: 'lab-1', image: 'pytorch', volumes: [{ name: 'sets' }] }),
    capacity: async (_gpus: number, target: string | null) => {
      asked.push(target);
      if (target === 'moon') {
        throw new LabError('it is away.');
      }
      return { total: 1, free: 1, holders: [], forecast: { answer: 'now', message: 'now' } };
    },
    catalog: async () => ({
      ...catalog,
      targets: [
        { name: 'machine', title: 'This machine', kind: 'machine' },
        { name: 'farm', title: 'GPU farm', kind: 'cluster' },
        { name: 'moon', title: 'The moon', kind: 'cluster' }
      ],
      images: [
        { name: 'pytorch', title: 'PyTorch', container: '', state: 'ready' },
        { name: 'jax', title: 'JAX', container: 'r.example.org/jax', state: 'missing' }
      ],
      volumes: [
        { name: 'sets', title: 'Sets', path: '/srv/sets' },
        { name: 'nas', title: 'NAS', path: '' }
      ]
    })
  };
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const form = aForm(t, methods);
  const turn = async () => {
    await settle();
    t.mock.timers.tick(0);
    await settle();
  };
  form.watch();
  await turn();
  const names = (things: readonly { name: string }[]) => things.map(({ name }) => name);
  assert.equal(form.places.meant?.name, 'machine');
  assert.deepEqual(
    [names(form.places.images), names(form.places.volumes)],
    [['pytorch'], ['sets']]
  );
  form.set('path', 'train.py');
  await form.submit();
  form.set('target', 'farm');
  await turn();
  assert.deepEqual([names(form.places.images), names(form.places.volumes)], [['jax'], ['nas']]);
  assert.equal(form.forecast?.answer, 'now');
  await form.submit();
  form.set('target', 'moon');
  await turn();
  assert.deepEqual([form.forecast, form.error], [null, null]);
  assert.deepEqual(
    sent.map(({ target, image, volumes, lab }) => [target, image, volumes, lab]),
    [
      [null, 'pytorch', ['sets'], 'lab-1'],
      ['farm', 'jax', [], null]
    ]
  );
  assert.deepEqual(asked, [null, 'farm', 'moon']);
});

test('nobody is asked where a job runs while there is one place', async t => {
  const form = aForm(t);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  form.watch();
  await settle();
  t.mock.timers.tick(0);
  await settle();
  assert.deepEqual([form.places.all, form.places.meant], [[], null]);
  assert.deepEqual(form.places.images, catalog.images);
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
  assert.equal(form.step, null);
});

test('a job is run again with what was changed in the form', async t => {
  const old = aJob('digits-abc', 'SUCCEEDED');
  old.spec = { ...old.spec, volumes: ['sets'], lab: 'lab-of-then' };
  const asked: [string, Partial<ITrainingSpec>][] = [];
  const rerun = async (id: string, changes: Partial<ITrainingSpec>) => {
    asked.push([id, changes]);
    return aJob('digits-def', 'PENDING');
  };
  const checked: ITrainingSpec[] = [];
  const preflight = async (spec: ITrainingSpec) => {
    checked.push(spec);
    return { findings: [], seconds: 0 };
  };
  const volumes = [{ name: 'sets', title: 'Sets', path: '' }];
  const lab = async () => ({ id: 'lab-of-now', volumes: [] });
  const methods = { rerun, preflight, lab, catalog: async () => ({ ...catalog, volumes }) };
  const form = aForm(t, methods, new FakeFiles(FILES), old);
  assert.equal(form.draft.name, 'digits-abc');
  await form.submit();
  form.set('workers', '4');
  assert.equal((await form.submit())?.id, 'digits-def');
  form.set('path', 'train.py');
  form.set('code', 'file');
  form.set('priority', '7');
  await form.check();
  await form.submit();
  const code = { source: 'import net', files: { 'net.py': '1' } };
  assert.deepEqual(asked, [
    ['digits-abc', {}],
    ['digits-abc', { roles: [{ ...old.spec.roles[0], replicas: 4 }] }],
    ['digits-abc', { roles: [{ ...old.spec.roles[0], replicas: 4 }], priority: 7, code }]
  ]);
  assert.deepEqual([checked[0].lab, checked[0].env], ['lab-of-then', {}]);
});

test('a training has the image of the lab, where it is offered, until another is chosen', async t => {
  const sent: string[] = [];
  const submit = async ({ image }: ITrainingSpec) => {
    sent.push(image);
    return aJob('train-x', 'PENDING');
  };
  for (const image of ['jax', 'gone']) {
    const form = aForm(t, { submit, lab: async () => ({ id: '', image, volumes: [] }) });
    form.set('path', 'train.py');
    await form.submit();
    form.set('image', 'pytorch');
    await form.submit();
  }
  assert.deepEqual(sent, ['jax', 'pytorch', 'pytorch', 'pytorch']);
});

test('what was installed in the lab is there in a new job', async t => {
  const sent: ITrainingSpec[] = [];
  const submit = async (spec: ITrainingSpec) => {
    sent.push(spec);
    return aJob('train-x', 'PENDING');
  };
  const form = aForm(t, { submit, lab: async () => ({ id: 'lab-ada', volumes: [] }) });
  form.set('path', 'train.py');
  await form.submit();
  assert.equal(sent[0].lab, 'lab-ada');
});
