import { LabError } from '../errors';
import { type ICanary, MAX_REPLICAS } from '../serving';
import { Form } from './form';

/** The fields of the form that an error can belong to. */
export type CanaryField = 'version' | 'percent' | 'replicas' | 'errors' | 'slowdown';

/** As it is typed; an empty bound is none. */
export type ICanaryDraft = Record<CanaryField, string>;

/** What the form begins with. */
const EMPTY: ICanaryDraft = {
  version: '',
  percent: '10',
  replicas: '1',
  errors: '5',
  slowdown: ''
};

/** As `dllab_hub/specs/deployment.py` has it; errors are percent here. */
const BOUNDS: Record<CanaryField, { least: number; most: number; whole: boolean }> = {
  version: { least: 1, most: Number.MAX_SAFE_INTEGER, whole: true },
  percent: { least: 0, most: 99, whole: true },
  replicas: { least: 1, most: MAX_REPLICAS, whole: true },
  errors: { least: 0, most: 100, whole: false },
  slowdown: { least: 1, most: 100, whole: false }
};

/** What the server calls them. */
const NAMES: Record<string, CanaryField> = {
  version: 'version',
  percent: 'percent',
  replicas: 'replicas',
  max_errors: 'errors',
  max_slowdown: 'slowdown'
};

/** Another version that is to get a part of the requests, as a person describes it. */
export class CanaryForm extends Form {
  /** @param _send Sends the wish. */
  constructor(private readonly _send: (canary: ICanary) => Promise<void>) {
    super();
  }

  draft: ICanaryDraft = EMPTY;

  /** Whether a wish is under way. */
  busy = false;

  /** Why the server refused the last try, or null. */
  error: LabError | null = null;

  /** The field that `error` is about; without an error, the one that cannot be sent as it is. */
  field: CanaryField | null = null;

  /** Between what the number in a field must lie. */
  bounds(field: CanaryField): { least: number; most: number; whole: boolean } {
    return BOUNDS[field];
  }

  /** Take a change of the person's. */
  set(field: CanaryField, value: string): void {
    this.draft = { ...this.draft, [field]: value };
    if (this.field === field) {
      this.field = this.error = null;
    }
    this.announce();
  }

  /** Show the canary that there is, once; what a person has changed since stays. */
  follow(canary: ICanary | null): void {
    const now = JSON.stringify(canary);
    if (now === this._followed || this.busy) {
      return;
    }
    this._followed = now;
    this.field = this.error = null;
    this.draft = canary === null ? EMPTY : draftOf(canary);
    this.announce();
  }

  /** Wish for it; resolves to whether it was taken. */
  async submit(): Promise<boolean> {
    if (this.busy) {
      return false;
    }
    this.error = null;
    this.field = this._flaw();
    if (this.field !== null) {
      this.announce();
      return false;
    }
    this.busy = true;
    this.announce();
    try {
      await this._send(wishOf(this.draft));
      return true;
    } catch (reason) {
      this.error = LabError.from(reason);
      this.field = NAMES[this.error.field] ?? null;
      return false;
    } finally {
      this.busy = false;
      this.announce();
    }
  }

  private _flaw(): CanaryField | null {
    const fields = Object.keys(BOUNDS) as CanaryField[];
    return fields.find(field => !fits(field, this.draft[field].trim())) ?? null;
  }

  private _followed = 'null';
}

function fits(field: CanaryField, text: string): boolean {
  if (text === '') {
    return field === 'errors' || field === 'slowdown';
  }
  const { least, most, whole } = BOUNDS[field];
  const value = Number(text);
  return value >= least && value <= most && (!whole || Number.isInteger(value));
}

function draftOf({ version, percent, replicas, ...bounds }: ICanary): ICanaryDraft {
  const { max_errors: errors, max_slowdown: slowdown } = bounds;
  return {
    version: `${version}`,
    percent: `${percent}`,
    replicas: `${replicas}`,
    errors: errors === null ? '' : `${Number((100 * errors).toPrecision(6))}`,
    slowdown: slowdown === null ? '' : `${slowdown}`
  };
}

function wishOf({ version, percent, replicas, errors, slowdown }: ICanaryDraft): ICanary {
  return {
    version: Number(version),
    percent: Number(percent),
    replicas: Number(replicas),
    max_errors: errors.trim() === '' ? null : Number((Number(errors) / 100).toPrecision(6)),
    max_slowdown: slowdown.trim() === '' ? null : Number(slowdown)
  };
}
