import type { TranslationBundle } from '@jupyterlab/translation';
import type { HistoryApi } from '../historyapi';
import { LabError } from '../errors';
import type { IQuote } from '../history';
import type { ITrainingSpec } from '../trainspec';
import { type DraftField, problemsOf } from './draft';
import { Form } from './form';
import type { TrainForm } from './trainform';
import { toSpec } from './wish';

/** Milliseconds after which what was typed is priced. */
const TYPING = 400;
/** Milliseconds after which a price is asked for again: others submit and finish. */
const STALE = 15_000;
/** What a price depends on. */
const PRICED: DraftField[] = [
  'target',
  'strategy',
  'workers',
  'servers',
  'gpus',
  'cpus',
  'memory',
  'limit',
  'priority',
  'restarts',
  'every',
  'args'
];

/** What is typed as a wish that can be priced, whatever it runs; null while that is none. */
export function wishToPrice(
  { catalog, draft, image, old, volumes }: TrainForm,
  trans: TranslationBundle
): ITrainingSpec | null {
  const problems = problemsOf(draft, catalog, trans);
  if (catalog === null || PRICED.some(field => problems[field])) {
    return null;
  }
  const code = old?.spec.code ?? { source: 'pass', filename: 'train.py', args: [], files: {} };
  const spec = toSpec(draft, image, code, old?.spec ?? null);
  return { ...spec, name: problems.name ? 'price' : draft.name, volumes };
}

/** What a wish would cost and when it would start, while somebody types it. */
export class QuoteModel extends Form {
  /** @param _wish What is typed; null while that is no wish. */
  constructor(
    private readonly _api: Pick<HistoryApi, 'quote'>,
    private readonly _wish: () => ITrainingSpec | null
  ) {
    super();
  }

  /** Null while it is not known. */
  quote: IQuote | null = null;

  /** Why there is none; null while there is one, or none is asked for. */
  error: LabError | null = null;

  /** Something was typed, or time went by. */
  look(): void {
    const wish = this._wish();
    const wanted = JSON.stringify(wish);
    if (wanted === this._wanted && Date.now() - this._asked < STALE) {
      return;
    }
    if (wanted !== this._wanted && this.quote !== null) {
      this.quote = null; // What is said no longer fits.
      this.announce();
    }
    this._wanted = wanted;
    this._asked = Date.now();
    clearTimeout(this._typing);
    if (wish !== null) {
      this._typing = setTimeout(() => void this._ask(wish, wanted), TYPING);
    }
  }

  dispose(): void {
    this._wanted = '';
    clearTimeout(this._typing);
  }

  private async _ask(wish: ITrainingSpec, wanted: string): Promise<void> {
    let quote: IQuote | null = null;
    let error: LabError | null = null;
    try {
      quote = await this._api.quote(wish);
    } catch (reason) {
      error = LabError.from(reason);
    }
    if (wanted === this._wanted) {
      this.quote = quote;
      this.error = error;
      this.announce();
    }
  }

  private _wanted = '';
  /** Milliseconds since the epoch. */
  private _asked = 0;
  private _typing: ReturnType<typeof setTimeout> | undefined;
}
