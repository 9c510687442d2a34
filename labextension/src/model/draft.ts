import type { TranslationBundle } from '@jupyterlab/translation';
import { bytesIn, secondsIn } from '../amounts';
import type { ICatalog } from '../specs';
import { splitWords } from '../words';

/** A training as a person types it. What may be left empty is left to the lab then. */
export interface IDraft {
  /** `file`, `cells` of a notebook, or the `same` as the job that is run again. */
  code: string;
  /** Of a Python file of the lab. */
  path: string;
  /** Of a notebook that is open. */
  notebook: string;
  /** `selected` or `tagged`. */
  cells: string;
  name: string;
  /** Name of a place; empty for the usual one. */
  target: string;
  /** Empty for the catalog's default. */
  image: string;
  strategy: string;
  workers: string;
  /** Parameter servers. */
  servers: string;
  /** Of each worker. */
  gpus: string;
  /** Of each replica; may be empty. */
  cpus: string;
  /** Of each replica, with its unit; may be empty. */
  memory: string;
  /** With its unit; may be empty. */
  limit: string;
  priority: string;
  /** Steps between two checkpoints. */
  every: string;
  restarts: string;
  /** `yes`: it is started again after a reboot. */
  reboot: string;
  /** Words that it is found by, with spaces or commas between them; may be empty. */
  tags: string;
  /** Silence after which it counts as stalled, with its unit; empty: it never does. */
  silence: string;
  /** `yes`: it is relaunched then. */
  relaunch: string;
  /** For the script, as in a shell. */
  args: string;
}

export type DraftField = keyof IDraft;

/** What is wrong, a sentence for each field. */
export type Problems = Partial<Record<DraftField, string>>;

export const EMPTY: IDraft = {
  code: 'file',
  path: '',
  notebook: '',
  cells: 'selected',
  name: '',
  target: '',
  image: '',
  strategy: 'allreduce',
  workers: '1',
  servers: '1',
  gpus: '0',
  cpus: '',
  memory: '',
  limit: '',
  priority: '0',
  every: '100',
  restarts: '3',
  reboot: '',
  tags: '',
  silence: '30 min',
  relaunch: '',
  args: ''
};

/** Fields that few people need. */
export const RARE: readonly DraftField[] = [
  'cpus',
  'memory',
  'limit',
  'priority',
  'every',
  'restarts',
  'reboot',
  'tags',
  'silence',
  'relaunch'
];

const LONGEST_NAME = 40;
const NAME = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;
/** A file whose code every worker runs: relative, as the contents manager names it. */
const SCRIPT = /\.py$/;
/** Seconds: 90 days. */
const LONGEST = 90 * 86400;
const TAG = /^[\p{L}\p{N}_][\p{L}\p{N}_.:/=+-]{0,39}$/u;
const MOST_TAGS = 20;

/** Tags as somebody types them. */
export function tagsIn(text: string): string[] {
  return text.split(/[\s,]+/).filter(tag => tag !== '');
}

/** A name for the job that runs this file: what a name may not hold becomes a hyphen. */
export function nameFor(path: string): string {
  const stem = (path.split('/').pop() ?? '').replace(/\.(py|ipynb)$/, '').toLowerCase();
  const name = stem.replace(/[^a-z0-9]+/g, '-').slice(0, LONGEST_NAME);
  return name.replace(/^-+|-+$/g, '');
}

/** The file or notebook whose code is meant. */
export function sourceOf({ code, path, notebook }: IDraft): string {
  return code === 'file' ? path : code === 'cells' ? notebook : '';
}

/** Whether the field is part of the form for such a training. */
export function isShown(field: DraftField, { code, strategy }: IDraft): boolean {
  switch (field) {
    case 'path':
      return code === 'file';
    case 'notebook':
    case 'cells':
      return code === 'cells';
    case 'workers':
      return strategy === 'allreduce' || strategy === 'ps';
    case 'servers':
      return strategy === 'ps';
    case 'gpus':
    case 'cpus':
    case 'memory':
      return strategy !== 'custom';
    default:
      return true;
  }
}

/** What can be seen to be wrong before anybody is asked. */
export function problemsOf(
  draft: IDraft,
  catalog: ICatalog | null,
  trans: TranslationBundle
): Problems {
  const problems: Problems = {};
  const check = (field: DraftField, fits: (text: string) => boolean, sentence: string): void => {
    if (isShown(field, draft) && !fits(draft[field].trim())) {
      problems[field] = sentence;
    }
  };
  const whole = (field: DraftField, least: number, most: number): void =>
    check(
      field,
      text => text !== '' && Number.isInteger(Number(text)) && within(Number(text), least, most),
      trans.__('Give a whole number from %1 to %2.', least, most)
    );
  check(
    'path',
    text => SCRIPT.test(text),
    trans.__('Name a Python file of your lab, such as train.py.')
  );
  check('notebook', text => text !== '', trans.__('Open a notebook first.'));
  check(
    'name',
    text => NAME.test(text),
    trans.__(
      'A name has 1 to 40 lower-case letters, digits and hyphens, and starts and ends with a letter or digit.'
    )
  );
  whole('workers', 1, catalog?.max_replicas ?? 1024);
  whole('servers', 1, catalog?.max_replicas ?? 1024);
  whole('gpus', 0, catalog?.max_gpus ?? 64);
  whole('priority', -100, 100);
  whole('every', 1, 1_000_000_000_000);
  whole('restarts', 0, 100);
  check(
    'cpus',
    text => text === '' || (Number(text) > 0 && Number(text) <= 1024),
    trans.__('Give a number above 0 and up to %1, or nothing.', 1024)
  );
  check(
    'memory',
    text => text === '' || within(bytesIn(text), 2 ** 20, 2 ** 50),
    trans.__('Give an amount such as 4 GiB or 512 MiB, or nothing.')
  );
  check(
    'limit',
    text => text === '' || within(secondsIn(text), 1, LONGEST),
    trans.__('Give a time such as 2 h or 90 min, up to 90 d, or nothing.')
  );
  check(
    'tags',
    text => areTags(tagsIn(text)),
    trans.__('Give up to 20 different words of letters, digits and _.:/=+-')
  );
  check(
    'silence',
    text => (text === '' ? draft.relaunch === '' : within(secondsIn(text), 10, LONGEST)),
    trans.__('Give a time of 10 s or more, such as 30 min.')
  );
  check('args', text => splitWords(text) !== null, trans.__('A quotation mark is not closed.'));
  return problems;
}

function areTags(tags: string[]): boolean {
  return (
    tags.length <= MOST_TAGS &&
    new Set(tags).size === tags.length &&
    tags.every(tag => TAG.test(tag))
  );
}

function within(value: number | null, least: number, most: number): boolean {
  return value !== null && value >= least && value <= most;
}
