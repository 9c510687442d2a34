import type { TranslationBundle } from '@jupyterlab/translation';
import type { ICatalog, ITrainingSpec } from '../specs';
import { splitWords } from '../words';

/** A training as a person types it. */
export interface IDraft {
  /** Of a Python file of the lab. */
  path: string;
  name: string;
  /** Empty for the catalog's default. */
  image: string;
  workers: string;
  /** Of each worker. */
  gpus: string;
  /** Steps between two checkpoints. */
  every: string;
  restarts: string;
  /** For the script, as in a shell. */
  args: string;
}

export type DraftField = keyof IDraft;

/** What is wrong, a sentence for each field. */
export type Problems = Partial<Record<DraftField, string>>;

export const EMPTY: IDraft = {
  path: '',
  name: '',
  image: '',
  workers: '1',
  gpus: '0',
  every: '100',
  restarts: '3',
  args: ''
};

const LONGEST_NAME = 40;
const NAME = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;
/** A file whose code every worker runs: relative, as the contents manager names it. */
const SCRIPT = /\.py$/;

/** A name for the job that runs this file: what a name may not hold becomes a hyphen. */
export function nameFor(path: string): string {
  const stem = (path.split('/').pop() ?? '').replace(SCRIPT, '').toLowerCase();
  const name = stem.replace(/[^a-z0-9]+/g, '-').slice(0, LONGEST_NAME);
  return name.replace(/^-+|-+$/g, '');
}

/** What can be seen to be wrong before anybody is asked. */
export function problemsOf(
  draft: IDraft,
  catalog: ICatalog | null,
  trans: TranslationBundle
): Problems {
  const problems: Problems = {};
  const whole = (field: DraftField, least: number, most: number): void => {
    const value = Number(draft[field]);
    if (draft[field].trim() === '' || !Number.isInteger(value) || value < least || value > most) {
      problems[field] = trans.__('Give a whole number from %1 to %2.', least, most);
    }
  };
  if (!SCRIPT.test(draft.path)) {
    problems.path = trans.__('Name a Python file of your lab, such as train.py.');
  }
  if (!NAME.test(draft.name)) {
    problems.name = trans.__(
      'A name has 1 to 40 lower-case letters, digits and hyphens, and starts and ends with a letter or digit.'
    );
  }
  whole('workers', 1, catalog?.max_replicas ?? 1024);
  whole('gpus', 0, catalog?.max_gpus ?? 64);
  whole('every', 1, 1_000_000_000);
  whole('restarts', 0, 100);
  if (splitWords(draft.args) === null) {
    problems.args = trans.__('A quotation mark is not closed.');
  }
  return problems;
}

/** All GPUs that it asks for; null while that cannot be told. */
export function gpusOf({ workers, gpus }: IDraft): number | null {
  const all = Number(workers) * Number(gpus);
  return Number.isInteger(all) && all >= 0 ? all : null;
}

/** The wish, when there are no problems. */
export function toSpec(
  draft: IDraft,
  image: string,
  source: string,
  files: Record<string, string>
): ITrainingSpec {
  return {
    name: draft.name,
    image,
    code: {
      source,
      filename: draft.path.split('/').pop() ?? draft.path,
      args: splitWords(draft.args) ?? [],
      files
    },
    roles: [{ name: 'worker', replicas: Number(draft.workers), gpus: Number(draft.gpus) }],
    max_restarts: Number(draft.restarts),
    checkpoint_every: Number(draft.every)
  };
}

/** The field of the form that a field of the spec comes from, or null. */
export function fieldFor(spec: string): DraftField | null {
  const known: Record<string, DraftField> = {
    name: 'name',
    image: 'image',
    gpus: 'gpus',
    roles: 'workers',
    'roles.0.replicas': 'workers',
    'roles.0.gpus': 'gpus',
    max_restarts: 'restarts',
    checkpoint_every: 'every',
    path: 'path'
  };
  if (spec.startsWith('code')) {
    return spec.startsWith('code.args') ? 'args' : 'path';
  }
  return known[spec] ?? null;
}
