import { LabError } from '../errors';
import type { IModelVersion } from '../serving';
import { Form } from './form';
import { type IMistake, indented, mistakeIn, pretty } from './jsontext';

/** Most characters of an answer on show; all of it can be copied. */
export const MOST_SHOWN = 100_000;

/** What came back. */
export interface IAnswer {
  /** HTTP status; 0 when there was no answer. */
  status: number;
  /** How long it took, as seen from this page. */
  milliseconds: number;
  /** Indented JSON, or what came instead of JSON; empty after an error. */
  text: string;
  error: LabError | null;
}

/** A request to a model that a person is writing, and the answer to the last one that was sent. */
export class PredictForm extends Form {
  /**
   * @param _send Sends JSON text to the model.
   * @param _now Milliseconds from any start.
   */
  constructor(
    private readonly _send: (text: string) => Promise<string>,
    private readonly _now: () => number = () => performance.now()
  ) {
    super();
  }

  /** The request as it was written last. */
  get text(): string {
    return this._text;
  }

  /** Counts how often the text was replaced by something else than the person's typing. */
  revision = 0;

  /** Where the text is no JSON, as far as it was tried. */
  mistake: IMistake | null = null;

  answer: IAnswer | null = null;

  /** Whether a request is under way. */
  busy = false;

  /** What the person has typed. */
  write(text: string): void {
    this._text = text;
    this._typed = true;
    if (this.mistake !== null) {
      this.mistake = null;
      this.announce();
    }
  }

  /** Offer a request that fits the model, unless the person has written one. */
  offer(version: IModelVersion): void {
    if (!this._typed) {
      this._replace(startFor(version));
    }
  }

  /** Put the request that fits the model in place of what there is. */
  reset(version: IModelVersion): void {
    this._typed = false;
    this._replace(startFor(version));
  }

  /** Ask the model. What goes wrong is in `answer` or `mistake`. */
  async send(): Promise<void> {
    if (this.busy) {
      return;
    }
    this.mistake = mistakeIn(this._text);
    if (this.mistake !== null) {
      this.answer = null;
      this.announce();
      return;
    }
    this.busy = true;
    this.announce();
    const start = this._now();
    let answer: Pick<IAnswer, 'status' | 'text' | 'error'>;
    try {
      answer = { status: 200, text: indented(await this._send(this._text)), error: null };
    } catch (reason) {
      const error = LabError.from(reason);
      answer = { status: error.status, text: '', error };
    }
    this.answer = { ...answer, milliseconds: this._now() - start };
    this.busy = false;
    this.announce();
  }

  private _replace(text: string): void {
    if (text !== this._text) {
      this._text = text;
      this.mistake = null;
      this.revision += 1;
      this.announce();
    }
  }

  private _text = '';
  private _typed = false;
}

/** A request that fits a version: the example that came with it, else its inputs with zeros. */
export function startFor({ example, inputs }: IModelVersion): string {
  if (example) {
    return indented(example);
  }
  const rows = inputs.map(({ name, datatype, shape }) => [
    name,
    filled(shape.slice(1), zeroOf(datatype))
  ]);
  const [only] = rows;
  return pretty({ instances: [rows.length === 1 ? only[1] : Object.fromEntries(rows)] });
}

/** Nested lists of one value; an axis of any size has one entry. */
function filled(shape: (number | null)[], value: unknown): unknown {
  return shape.reduceRight<unknown>(
    (inner, axis) => Array.from({ length: axis ?? 1 }, () => inner),
    value
  );
}

function zeroOf(datatype: string): unknown {
  return datatype === 'BYTES' ? '' : datatype === 'BOOL' ? false : 0;
}
