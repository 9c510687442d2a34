import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import { isLong, type ISnippet, snippetsFor } from '../../labextension/src/snippets';

const addresses = {
  v1: 'https://hub.example/services/dllab/serve/ada/digits/v1/models/digits:predict',
  v2: 'https://hub.example/services/dllab/serve/ada/digits/v2/models/digits/infer'
};

function text(request: string, id: ISnippet['id']): string {
  return snippetsFor(addresses, request).find(snippet => snippet.id === id)?.text ?? '';
}

test('each program has the address, the placeholder of the token and the request', () => {
  for (const id of ['curl', 'python', 'javascript'] as const) {
    const program = text('{"instances": [[1, 2]]}', id);
    assert.ok(program.includes(addresses.v1));
    assert.ok(program.includes('token YOUR_TOKEN'));
    assert.ok(program.includes('[[1, 2]]'));
  }
});

test('a program can ask with a key instead of a token', () => {
  for (const [id, header] of [
    ['curl', "-H 'X-DLLab-Key: YOUR_KEY'"],
    ['python', 'headers={"X-DLLab-Key": "YOUR_KEY"}'],
    ['javascript', "'X-DLLab-Key': 'YOUR_KEY',"]
  ]) {
    const programs = snippetsFor(addresses, '{"instances": [[1]]}', 'key');
    const program = programs.find(snippet => snippet.id === id)?.text ?? '';
    assert.ok(program.includes(header), program);
    assert.ok(!program.includes('Authorization'));
  }
});

test('a request with tensors goes to the address of the V2 protocol', () => {
  assert.ok(text('{"inputs": []}', 'curl').includes(addresses.v2));
  assert.ok(text('{"instances": [], "inputs": 1}', 'curl').includes(addresses.v1));
});

test('a shell passes the request on as it is, whatever stands in it', () => {
  const request = { instances: [{ x: 'it\'s $HOME `id` "q" \\ ü' }] };
  const program = text(JSON.stringify(request), 'curl');
  const printed = execFileSync('/bin/sh', [
    '-c',
    `curl() { for word; do last=$word; done; printf %s "$last"; }\n${program}`
  ]);
  assert.deepEqual(JSON.parse(printed.toString()), request);
});

test('Python reads the request that was written as JSON', () => {
  const request = { instances: [{ x: [true, false, null, 1.5, 'true "null" \\ ü\n'] }] };
  const program = text(JSON.stringify(request), 'python');
  const [from, to] = [program.indexOf('request = '), program.indexOf('answer =')];
  const code = `import json\n${program.slice(from, to)}\nprint(json.dumps(request))`;
  const printed = execFileSync('python3', ['-c', code]);
  assert.deepEqual(JSON.parse(printed.toString()), request);
});

test('JavaScript sends the request with the token', async () => {
  const program = `${text('{"instances": [[1.5, "a"]]}', 'javascript')}\nreturn result;`;
  const sent: [string, RequestInit][] = [];
  const fetch = async (...args: [string, RequestInit]) => {
    sent.push(args);
    return { ok: true, json: async () => 'answer' };
  };
  const AsyncFunction = (async () => undefined).constructor as FunctionConstructor;
  assert.equal(await new AsyncFunction('fetch', program)(fetch), 'answer');
  const [[url, init]] = sent;
  assert.equal(url, addresses.v1);
  assert.deepEqual(JSON.parse(String(init.body)), { instances: [[1.5, 'a']] });
  assert.deepEqual(init.headers, {
    Authorization: 'token YOUR_TOKEN',
    'Content-Type': 'application/json'
  });
});

test('a long request lies in a file, and one that is no JSON leaves room for another', () => {
  const long = JSON.stringify({ instances: [Array(2000).fill(0)] });
  assert.ok(isLong(long));
  for (const id of ['curl', 'python', 'javascript'] as const) {
    assert.ok(text(long, id).includes('request.json'));
    assert.ok(text(long, id).length < 600);
    assert.ok(text('not {', id).includes('{"instances": []}'));
  }
});
