import assert from 'node:assert/strict';
import test from 'node:test';
import { LabError } from '../../labextension/src/errors';
import type { IQuote } from '../../labextension/src/history';
import { JobsModel } from '../../labextension/src/model/jobs';
import { QuoteModel } from '../../labextension/src/model/quote';
import type { ITrainingSpec } from '../../labextension/src/trainspec';
import { PriceTag } from '../../labextension/src/view/pricetag';
import { aJob, anApi, moment, settle, trans, wordsOf } from './fakes';

const price = (gpus: number) => ({ gpus, message: `${gpus} GPUs` }) as IQuote;

test('a wish is priced when nobody types any more, and an old price is not left standing', async t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  let wish: ITrainingSpec | null = aJob('a').spec;
  const asked: ITrainingSpec[] = [];
  const quote = async (spec: ITrainingSpec) => {
    asked.push(spec);
    if (spec.priority === 9) {
      throw new LabError('no such image.', '', 'access_denied', 403);
    }
    return price(spec.priority ?? 0);
  };
  const model = new QuoteModel({ quote }, () => wish);
  const pass = async (milliseconds: number) => {
    t.mock.timers.tick(milliseconds);
    await settle();
  };
  for (const priority of [1, 2, 3]) {
    wish = { ...wish, priority };
    model.look();
    await pass(100);
  }
  assert.equal(asked.length, 0);
  await pass(400);
  assert.deepEqual(
    asked.map(({ priority }) => priority),
    [3]
  );
  assert.equal(model.quote?.gpus, 3);
  model.look();
  await pass(1000);
  assert.equal(asked.length, 1);
  await pass(15_000);
  model.look();
  await pass(400);
  assert.equal(asked.length, 2);
  wish = { ...wish, priority: 9 };
  model.look();
  assert.equal(model.quote, null);
  await pass(400);
  assert.equal(model.error?.code, 'access_denied');
  assert.equal(wordsOf(PriceTag({ model, trans })).trim(), 'No such image.');
  wish = null;
  model.look();
  await pass(1000);
  assert.equal(asked.length, 3);
  model.dispose();
});

const LEFT =
  'at most 2 GPU-hours; starts at once. 7.75 of 20 GPU-hours are left to you for 30 days.';
const REFUSED = 'you have used 25 of the 20 GPU-hours that you may use in 30 days.';
const PRICES: [string, Partial<IQuote>, string, string][] = [
  ['what is left', { used: 12.25, message: LEFT }, 'now', `A${LEFT.slice(1)}`],
  [
    'only why it would be refused',
    { used: 25, message: LEFT, refused: REFUSED },
    'never',
    `It would be refused: ${REFUSED} Ask the administrator for more.`
  ]
];
for (const [name, more, answer, said] of PRICES) {
  test(`a price with a quota says ${name}, and that once`, () => {
    const quote = { ...price(2), quota: 20, position: 0, refused: '', ...more };
    const seen = PriceTag({ model: { quote, error: null } as QuoteModel, trans });
    assert.equal(seen?.props['data-answer'], answer);
    assert.equal(wordsOf(seen).trim(), said);
  });
}

test('that a job is no longer heard of is told once', async t => {
  let silent: number | null = null;
  const jobs = async () => ({
    jobs: [aJob('quiet-1', 'RUNNING', { silent_since: silent })],
    next: null
  });
  const model = new JobsModel(anApi({ jobs }));
  t.after(() => model.dispose());
  const told: string[] = [];
  model.stalled.connect((_, { id }) => void told.push(id));
  const read = async () => {
    model.refresh();
    await moment();
  };
  await read();
  silent = 1234;
  await read();
  await read();
  assert.deepEqual(told, ['quiet-1']);
  silent = null;
  await read();
  silent = 2345;
  await read();
  assert.deepEqual(told, ['quiet-1', 'quiet-1']);
});
