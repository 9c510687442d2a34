/** Reads the files of the lab. */
export interface IFiles {
  /** The text of a file. Rejects with a LabError. */
  read(path: string): Promise<string>;
  /** Names in a directory; those of directories end with a slash. Rejects with a LabError. */
  list(path: string): Promise<readonly string[]>;
}

/** Most files that travel with a script; the server takes no more. */
const MOST = 1000;

const IMPORT = /^[ \t]*import[ \t]+(.+)$/gm;
const FROM = /^[ \t]*from[ \t]+(\.*)([\w.]*)[ \t]+import[ \t]+(?:\(([^)]*)\)|(.+))$/gm;

/** An import: how many levels up it starts, and its name in parts. */
export interface IImport {
  up: number;
  parts: string[];
}

/**
 * What the text imports, as far as its lines tell: nothing is executed. Text between quotation marks
 * may look like an import; a file too many does no harm.
 */
export function importsOf(source: string): IImport[] {
  const found: IImport[] = [];
  const text = source.replace(/\\\r?\n/g, ' ').replace(/\r/g, '');
  for (const [, names] of text.matchAll(IMPORT)) {
    for (const name of namesIn(names)) {
      found.push({ up: 0, parts: name.split('.') });
    }
  }
  for (const [, dots, base, many, one] of text.matchAll(FROM)) {
    const parts = base === '' ? [] : base.split('.');
    if (parts.length > 0) {
      found.push({ up: dots.length, parts });
    }
    // `from a import b` loads the module a.b where there is one.
    for (const name of namesIn(many ?? one)) {
      found.push({ up: dots.length, parts: [...parts, name] });
    }
  }
  return found;
}

/**
 * The modules beside a script that it imports, and those that they import: what travels with it, by
 * path relative to the script's directory. What lies nowhere there is installed, and the workers have
 * it too. Rejects with a LabError when a file cannot be read.
 */
export async function localModules(
  script: string,
  source: string,
  files: IFiles
): Promise<Record<string, string>> {
  const root = script.includes('/') ? script.slice(0, script.lastIndexOf('/') + 1) : '';
  const listed = new Map<string, Promise<ReadonlySet<string>>>();
  /** Names in a directory below the root; `at` is empty or ends with a slash. */
  const names = (at: string): Promise<ReadonlySet<string>> => {
    const known = listed.get(at) ?? files.list(root + at).then(found => new Set(found));
    listed.set(at, known);
    return known;
  };

  const found: Record<string, string> = {};
  const waiting: [text: string, at: string][] = [[source, '']];
  const take = async (path: string): Promise<void> => {
    const text = await files.read(root + path);
    found[path] = text;
    waiting.push([text, path.slice(0, path.lastIndexOf('/') + 1)]);
  };
  while (waiting.length > 0) {
    const [text, home] = waiting.pop()!;
    for (const { up, parts } of importsOf(text)) {
      for (const path of await loaded(startOf(home, up), parts, names)) {
        const isNew = !(path in found) && root + path !== script;
        if (isNew && Object.keys(found).length < MOST) {
          await take(path);
        }
      }
    }
  }
  return found;
}

/** Where an import starts: one dot is the package itself, each further dot one level up. */
function startOf(home: string, up: number): string {
  const parts = home.split('/').filter(part => part !== '');
  const kept = up === 0 ? [] : parts.slice(0, Math.max(0, parts.length - up + 1));
  return kept.map(part => `${part}/`).join('');
}

/** `a.b.c` loads a, a.b and a.b.c: those of them that are files. */
async function loaded(
  start: string,
  parts: readonly string[],
  names: (at: string) => Promise<ReadonlySet<string>>
): Promise<string[]> {
  const paths: string[] = [];
  let at = start;
  for (const part of parts) {
    const here = await names(at);
    const inside = here.has(`${part}/`) ? await names(`${at}${part}/`) : null;
    if (inside?.has('__init__.py')) {
      paths.push(`${at}${part}/__init__.py`);
    } else if (here.has(`${part}.py`)) {
      return [...paths, `${at}${part}.py`];
    } else if (inside === null) {
      break;
    }
    at += `${part}/`;
  }
  return paths;
}

/** `a as b, c  # why` -> a, c. */
function namesIn(list: string): string[] {
  return list
    .split('\n')
    .map(line => line.replace(/#.*$|;.*$/, ''))
    .join(' ')
    .split(',')
    .map(item => item.trim().split(/\s+/)[0])
    .filter(name => /^[A-Za-z_][\w.]*$/.test(name));
}
