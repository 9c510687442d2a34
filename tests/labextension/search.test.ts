import assert from 'node:assert/strict';
import test from 'node:test';
import type { ILogMatches } from '../../labextension/src/history';
import { LabError } from '../../labextension/src/errors';
import { LogSearch } from '../../labextension/src/model/search';

const where = { replica: null, attempt: 1 };
const match = (offset: number) => ({ offset, text: 'x', start: 0, end: 1 });

function aSearch(answers: (ILogMatches | LabError)[]): [LogSearch, number[]] {
  const offsets: number[] = [];
  const search = new LogSearch(
    {
      search: async (_id, _text, { offset }) => {
        offsets.push(offset);
        const answer = answers.shift()!;
        if (answer instanceof LabError) {
          throw answer;
        }
        return answer;
      }
    },
    'a-1'
  );
  search.set('x');
  return [search, offsets];
}

test('the whole log is looked through until something is found, then on from there', async () => {
  const [search, offsets] = aSearch([
    { matches: [], next_offset: 50, size: 200 },
    { matches: [match(60), match(70)], next_offset: 100, size: 200 },
    { matches: [match(150)], next_offset: null, size: 200 }
  ]);
  await search.go(1, where);
  assert.equal(search.match?.offset, 60);
  assert.equal(search.through, 0.5);
  await search.go(1, where);
  assert.equal(search.match?.offset, 70);
  assert.ok(!search.isOver);
  await search.go(1, where);
  assert.equal(search.match?.offset, 150);
  assert.ok(search.isOver);
  assert.deepEqual(offsets, [0, 50, 100]);
  await search.go(1, where);
  assert.equal(search.match?.offset, 60);
  await search.go(-1, where);
  assert.equal(search.match?.offset, 150);
  assert.deepEqual(offsets, [0, 50, 100]);
});

test('what is not there is said, and a problem too', async () => {
  const [search] = aSearch([
    { matches: [], next_offset: null, size: 0 },
    new LabError('no such attempt.')
  ]);
  await search.go(1, where);
  assert.ok(search.isOver && search.match === null);
  search.set('y');
  assert.equal(search.through, null);
  await search.go(1, where);
  assert.equal(search.error?.message, 'no such attempt.');
  assert.ok(!search.isRunning);
});

test('an answer to what is no longer typed is dropped', async () => {
  const [search] = aSearch([{ matches: [match(1)], next_offset: null, size: 9 }]);
  const going = search.go(1, where);
  search.set('other');
  await going;
  assert.deepEqual(search.matches, []);
  assert.equal(search.through, null);
});

test('a search that is no longer wanted does not move the place in what the next one finds', async () => {
  const waiting: ((found: ILogMatches) => void)[] = [];
  const search = new LogSearch({ search: () => new Promise(found => waiting.push(found)) }, 'a-1');
  search.set('x');
  const first = search.go(1, where);
  search.set('other');
  const second = search.go(1, where);
  waiting[1]({ matches: [match(3), match(7), match(9)], next_offset: null, size: 9 });
  await second;
  await search.go(1, where);
  assert.equal(search.match?.offset, 7);
  waiting[0]({ matches: [match(1)], next_offset: null, size: 9 });
  await first;
  assert.equal(search.match?.offset, 7);
});
