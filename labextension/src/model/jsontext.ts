/** Longest line of an indented text, characters. */
const WIDTH = 56;

/** Where a parser says that the mistake is; lines are said in words of ours. */
const WHERE = / (in JSON )?at (position|line) \d+.*$|, (\.\.\.)?".*is not valid JSON$/s;

/** Why a text is no JSON, and where. */
export interface IMistake {
  /** What the browser's parser says, or what is wrong otherwise. */
  message: string;
  /** From 1; null when the parser does not say where. */
  line: number | null;
}

/** What keeps a text from being one JSON object, or null. */
export function mistakeIn(text: string): IMistake | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (reason) {
    const message = reason instanceof Error ? reason.message : String(reason);
    return { message: message.replace(WHERE, ''), line: lineOf(message, text) };
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? null
    : { message: '', line: null };
}

/**
 * The same JSON, indented, with its numbers as they are written there (a number of 64 bits may have
 * more digits than one of JavaScript). A text that is no JSON stays as it is.
 */
export function indented(text: string): string {
  try {
    return pretty(written(text));
  } catch (reason) {
    if (reason instanceof SyntaxError) {
      return text;
    }
    throw reason;
  }
}

/** What JSON says, with each number as it is written there; throws a SyntaxError for other text. */
export function written(text: string): unknown {
  return JSON.parse(text, asWritten);
}

/** A number as it is written in a text. */
export class Literal {
  constructor(readonly source: string) {}
}

/** Browsers that do not tell the source of a value give numbers. */
function asWritten(_: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === 'number' && context?.source ? new Literal(context.source) : value;
}

/** Indented JSON; lists and objects that fit on one line stay on one. */
export function pretty(value: unknown, indent = ''): string {
  const flat = spaced(value);
  if (isPlain(value) || flat.length + indent.length <= WIDTH) {
    return flat;
  }
  const deeper = `${indent}  `;
  if (Array.isArray(value)) {
    return value.every(isPlain)
      ? `[\n${wrapped(value.map(spaced), deeper)}\n${indent}]`
      : `[\n${value.map(item => deeper + pretty(item, deeper)).join(',\n')}\n${indent}]`;
  }
  const entries = Object.entries(value as object).map(
    ([key, item]) => `${deeper}${JSON.stringify(key)}: ${pretty(item, deeper)}`
  );
  return `{\n${entries.join(',\n')}\n${indent}}`;
}

/** Whether a value has no values in it. */
function isPlain(value: unknown): boolean {
  return typeof value !== 'object' || value === null || value instanceof Literal;
}

/** JSON on one line, with spaces as people write it. */
function spaced(value: unknown): string {
  if (value instanceof Literal) {
    return value.source;
  }
  if (Array.isArray(value)) {
    return `[${value.map(spaced).join(', ')}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(
      ([key, item]) => `${JSON.stringify(key)}: ${spaced(item)}`
    );
    return `{${entries.join(', ')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

/** Numbers of a long list, as many in a line as fit. */
function wrapped(items: readonly string[], indent: string): string {
  const lines: string[] = [];
  let line = '';
  for (const item of items) {
    if (line !== '' && indent.length + line.length + item.length + 3 > WIDTH) {
      lines.push(`${indent}${line},`);
      line = item;
    } else {
      line = line === '' ? item : `${line}, ${item}`;
    }
  }
  return [...lines, indent + line].join('\n');
}

function lineOf(message: string, text: string): number | null {
  const line = /line (\d+)/.exec(message)?.[1];
  const position = /position (\d+)/.exec(message)?.[1];
  if (line !== undefined) {
    return Number(line);
  }
  return position === undefined ? null : text.slice(0, Number(position)).split('\n').length;
}
