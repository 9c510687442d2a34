import { LabError } from '../errors';
import type { IModelVersion } from '../serving';
import { Form } from './form';
import { type IMistake, indented, mistakeIn, pretty } from './jsontext';
import { PictureForm } from './pictureform';
import { TableForm } from './tableform';
import { type Way, waysFor } from './ways';

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

/** What is told of a model for a request to it. */
export type Asked = Pick<IModelVersion, 'inputs' | 'example'>;

/** What one version said to a request that both were asked. */
export interface IVersionAnswer extends IAnswer {
  version: number;
}

/** A request to a model that a person is making, and the answer to the last one that was sent. */
export class PredictForm extends Form {
  /**
   * @param _send Sends JSON text to the model, or to one version of it.
   * @param _now Milliseconds from any start.
   */
  constructor(
    private readonly _send: (text: string, version: number | null) => Promise<string>,
    private readonly _now: () => number = () => performance.now()
  ) {
    super();
    for (const tool of [this.table, this.picture]) {
      tool.changed.connect(() => {
        this._typed = this.byTool = true;
        if (tool.text !== null) {
          this._replace(tool.text);
        }
        this.announce();
      });
    }
  }

  /** The request as a table. */
  readonly table = new TableForm();

  /** The request as a picture, from a file or drawn. */
  readonly picture = new PictureForm();

  /** The ways that fit the model's inputs. */
  ways: readonly Way[] = ['json'];

  /** How the request is made. */
  way: Way = 'json';

  /** Whether the last change was made with a table or a picture: it shows what is sent. */
  byTool = false;

  /** The request as it was written last. */
  get text(): string {
    return this._text;
  }

  /** Counts how often the text was replaced by something else than the person's typing. */
  revision = 0;

  /** Where the text is no JSON, as far as it was tried. */
  mistake: IMistake | null = null;

  answer: IAnswer | null = null;

  /** What both versions said, the canary last; null unless both were asked last. */
  both: readonly IVersionAnswer[] | null = null;

  /** Whether a request is under way. */
  busy = false;

  /** What the person has typed. */
  write(text: string): void {
    this._text = text;
    this._typed = true;
    this.byTool = false;
    const followed = this.way === 'table' && this.table.read(text);
    if (this.mistake !== null || followed) {
      this.mistake = null;
      this.announce();
    }
  }

  /** Offer a request that fits the model, unless the person has written one. */
  offer(version: Asked): void {
    this.ways = waysFor(version.inputs);
    this.table.fit(version);
    this.picture.fit(version);
    if (!this.ways.includes(this.way)) {
      this.way = 'json';
    }
    if (!this._typed) {
      this._replace(startFor(version));
    }
  }

  /** Put the request that fits the model in place of what there is. */
  reset(version: Asked): void {
    this._typed = this.byTool = false;
    this._replace(startFor(version));
    if (this.way === 'table') {
      this.table.read(this._text);
      this.announce();
    }
  }

  /**
   * Make the request in another way. A table begins with the request that there is; a picture that
   * was there before is the request again.
   */
  choose(way: Way): void {
    this.way = way;
    if (way === 'table' && !this.table.read(this._text)) {
      this.table.clear();
    }
    const picture = way === 'image' || way === 'draw' ? this.picture.show(way) : null;
    if (picture !== null) {
      this._typed = this.byTool = true;
      this._replace(picture);
    } else {
      this.byTool = false;
    }
    this.announce();
  }

  /** Ask the model. What goes wrong is in `answer` or `mistake`. */
  async send(): Promise<void> {
    if (this._begin()) {
      this.answer = await this._ask(null);
      this.both = null;
      this._end();
    }
  }

  /** Ask two versions the same, at once. */
  async compare(versions: readonly [number, number]): Promise<void> {
    if (this._begin()) {
      this.both = await Promise.all(
        versions.map(async version => ({ ...(await this._ask(version)), version }))
      );
      this.answer = null;
      this._end();
    }
  }

  /** Whether there is something that can be sent now. */
  private _begin(): boolean {
    if (this.busy) {
      return false;
    }
    if (this.way === 'table' && this.byTool && this.table.complain()) {
      return false;
    }
    this.mistake = mistakeIn(this._text);
    if (this.mistake !== null) {
      this.answer = this.both = null;
      this.announce();
      return false;
    }
    this.busy = true;
    this.announce();
    return true;
  }

  private _end(): void {
    this.busy = false;
    this.announce();
  }

  private async _ask(version: number | null): Promise<IAnswer> {
    const start = this._now();
    let answer: Pick<IAnswer, 'status' | 'text' | 'error'>;
    try {
      const text = indented(await this._send(this._text, version));
      answer = { status: 200, text, error: null };
    } catch (reason) {
      const error = LabError.from(reason);
      answer = { status: error.status, text: '', error };
    }
    return { ...answer, milliseconds: this._now() - start };
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
export function startFor({ example, inputs }: Asked): string {
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
