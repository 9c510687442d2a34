import { Literal, pretty, written } from './model/jsontext';

/** More characters of a request than a program should have in it. */
const MOST = 2000;

/** Stands where a token of the person's goes. */
export const PLACEHOLDER = 'YOUR_TOKEN';

/** Stands where a key to the deployment goes. */
export const KEY_PLACEHOLDER = 'YOUR_KEY';

/** How a program says who asks. */
export type Proof = 'token' | 'key';

/** File that a request that is too long for a program lies in. */
export const FILE = 'request.json';

/** A program that asks the model. */
export interface ISnippet {
  id: 'curl' | 'python' | 'javascript';
  label: string;
  text: string;
}

/** Where both protocols are spoken. */
export interface IAddresses {
  v1: string;
  v2: string;
}

/** Whether a request is in the words of the V2 protocol: it has tensors and no rows. */
export function isV2(request: string): boolean {
  const value = parsed(request);
  return value !== null && 'inputs' in value && !('instances' in value);
}

/** Whether the request lies in a file beside the programs. */
export function isLong(request: string): boolean {
  return parsed(request) !== null && request.length > MOST;
}

/**
 * Programs that send a request to a deployment.
 *
 * @param addresses Of the deployment.
 * @param request JSON text; what is none is passed on as it is.
 * @param proof With what they may ask.
 */
export function snippetsFor(
  { v1, v2 }: IAddresses,
  request: string,
  proof: Proof = 'token'
): ISnippet[] {
  const url = isV2(request) ? v2 : v1;
  const body = isLong(request) ? null : (parsed(request) ?? { instances: [] });
  return [
    { id: 'curl', label: 'curl', text: curl(url, body, HEADERS[proof]) },
    { id: 'python', label: 'Python', text: python(url, body, HEADERS[proof]) },
    { id: 'javascript', label: 'JavaScript', text: javascript(url, body, HEADERS[proof]) }
  ];
}

type Header = readonly [name: string, value: string];

const HEADERS: Record<Proof, Header> = {
  token: ['Authorization', `token ${PLACEHOLDER}`],
  key: ['X-DLLab-Key', KEY_PLACEHOLDER]
};

function curl(url: string, body: object | null, [name, value]: Header): string {
  return [
    `curl ${quoted(url)} \\`,
    `  -H '${name}: ${value}' \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  --data ${body === null ? `@${FILE}` : quoted(pretty(body))}`
  ].join('\n');
}

function python(url: string, body: object | null, [name, value]: Header): string {
  const long = body === null;
  return [
    ...(long ? ['import json'] : []),
    'import requests',
    '',
    ...(long ? [`with open("${FILE}") as file:`, '    request = json.load(file)', ''] : []),
    ...(long ? [] : [`request = ${pythonic(pretty(body))}`]),
    'answer = requests.post(',
    `    ${JSON.stringify(url)},`,
    `    headers={"${name}": "${value}"},`,
    '    json=request,',
    '    timeout=60,',
    ')',
    'answer.raise_for_status()',
    'print(answer.json())'
  ].join('\n');
}

function javascript(url: string, body: object | null, [name, value]: Header): string {
  const long = body === null;
  return [
    ...(long ? ["import { readFile } from 'node:fs/promises';", ''] : []),
    long
      ? `const request = JSON.parse(await readFile('${FILE}', 'utf8'));`
      : `const request = ${pretty(body)};`,
    `const answer = await fetch(${JSON.stringify(url)}, {`,
    "  method: 'POST',",
    '  headers: {',
    `    ${name.includes('-') ? `'${name}'` : name}: '${value}',`,
    "    'Content-Type': 'application/json'",
    '  },',
    '  body: JSON.stringify(request)',
    '});',
    'if (!answer.ok) {',
    '  throw new Error(await answer.text());',
    '}',
    'const result = await answer.json();'
  ].join('\n');
}

function parsed(request: string): object | null {
  try {
    const value = written(request);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject && !(value instanceof Literal) ? value : null;
  } catch (reason) {
    if (reason instanceof SyntaxError) {
      return null;
    }
    throw reason;
  }
}

/** One word for a shell. */
function quoted(text: string): string {
  return `'${text.replace(/'/g, `'\\''`)}'`;
}

/** JSON as Python writes it: three words are others, strings are the same. */
function pythonic(json: string): string {
  const words: Record<string, string> = { true: 'True', false: 'False', null: 'None' };
  return json.replace(/"(?:[^"\\]|\\.)*"|\b(?:true|false|null)\b/g, found => words[found] ?? found);
}
