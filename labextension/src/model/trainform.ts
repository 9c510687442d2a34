import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabApi } from '../api';
import { LabError } from '../errors';
import type { ICapacity, ICatalog, IJob } from '../specs';
import {
  type DraftField,
  EMPTY,
  fieldFor,
  gpusOf,
  type IDraft,
  nameFor,
  type Problems,
  problemsOf,
  toSpec
} from './draft';
import { type IFiles, localModules } from './imports';
import { Live } from './live';

/** A form for a new training: what is typed, what can be picked, what the wish would meet. */
export class TrainForm extends Live {
  constructor(
    private readonly _api: LabApi,
    private readonly _files: IFiles,
    private readonly _trans: TranslationBundle
  ) {
    super('train-form');
  }

  /** Null until the first answer. */
  catalog: ICatalog | null = null;

  /** What a request for the GPUs that are asked for would meet; null while that is not known. */
  forecast: ICapacity['forecast'] = null;

  /** Python files in the directory of the path, as suggestions. */
  scripts: readonly string[] = [];

  /** Sentences at fields. */
  problems: Problems = {};

  /** What went wrong and belongs to no field. */
  failure: LabError | null = null;

  /** The job that was submitted last. */
  job: IJob | null = null;

  /** How many submissions met a problem at a field: each is a reason to show where. */
  refusals = 0;

  /** Whether a submission is under way. */
  isBusy = false;

  get draft(): Readonly<IDraft> {
    return this._draft;
  }

  /** The image that is chosen, or the one for those who do not choose. */
  get image(): string {
    return this._draft.image || (this.catalog?.default_image ?? '');
  }

  /** Names of the volumes that the job gets: those of the lab, until somebody picks. */
  get volumes(): readonly string[] {
    const offered = (this.catalog?.volumes ?? []).map(({ name }) => name);
    return offered.filter(name => (this._picked ?? this._ours ?? []).includes(name));
  }

  /** Have the job get a volume, or no longer. */
  pickVolume(name: string, wanted: boolean): void {
    const others = this.volumes.filter(other => other !== name);
    this._picked = wanted ? [...others, name] : others;
    this.failure = this.job = null;
    this.announce();
  }

  /** Type into a field. What was said about it is said no more. */
  set(field: DraftField, value: string): void {
    const { path, name } = this._draft;
    // A name follows the file until somebody types one.
    const follows = field === 'path' && (name === '' || name === nameFor(path));
    this._draft = {
      ...this._draft,
      [field]: value,
      ...(follows ? { name: nameFor(value) } : {})
    };
    this.problems = {
      ...this.problems,
      [field]: undefined,
      ...(follows ? { name: undefined } : {})
    };
    this.failure = this.job = null;
    this.announce();
    if (field === 'workers' || field === 'gpus') {
      this.forecast = null;
      this.refresh();
    } else if (field === 'path') {
      void this._suggest();
    }
  }

  /** Submit it; resolves to the job, or to null when something is wrong, which is then in view. */
  async submit(): Promise<IJob | null> {
    if (this.isBusy) {
      return null;
    }
    this.failure = this.job = null;
    this.problems = problemsOf(this._draft, this.catalog, this._trans);
    if (Object.keys(this.problems).length === 0) {
      this.isBusy = true;
      this.announce();
      try {
        // Who is quick sends before it is known what there is, and what is picked by default.
        await this._know();
        const { path } = this._draft;
        const source = await this._files.read(path);
        const files = await localModules(path, source, this._files);
        const spec = toSpec(this._draft, this.image, source, files);
        this.job = await this._api.submit({ ...spec, volumes: this.volumes });
      } catch (reason) {
        this._fail(LabError.from(reason));
      } finally {
        this.isBusy = false;
      }
    }
    if (Object.keys(this.problems).length > 0) {
      this.refusals += 1;
    }
    this.announce();
    return this.job;
  }

  protected async read(): Promise<boolean> {
    const before = JSON.stringify([this.catalog, this.forecast]);
    await this._know();
    let asked: number | null;
    do {
      asked = gpusOf(this._draft);
      this.forecast = asked === null ? null : (await this._api.capacity(asked)).forecast;
    } while (asked !== gpusOf(this._draft));
    if (this._listed === null) {
      await this._suggest();
    }
    return before !== JSON.stringify([this.catalog, this.forecast]);
  }

  protected pace(): number | null {
    return this.watched ? 5000 : null;
  }

  /** Ask once what there is to pick from, and what was picked for the lab. */
  private async _know(): Promise<void> {
    this._ours ??= (await this._api.lab()).volumes.map(({ name }) => name);
    this.catalog ??= await this._api.catalog();
  }

  private _fail(error: LabError): void {
    const field = fieldFor(error.field);
    if (field === null) {
      this.failure = error;
    } else {
      this.problems = { [field]: [error.sentence, error.hint].join(' ').trim() };
    }
  }

  /** List the scripts beside the one that is typed. */
  private async _suggest(): Promise<void> {
    const { path } = this._draft;
    const directory = path.slice(0, path.lastIndexOf('/') + 1);
    if (directory === this._listed) {
      return;
    }
    this._listed = directory;
    let names: readonly string[] = [];
    try {
      names = await this._files.list(directory);
    } catch (reason) {
      // A directory that is typed halfway is none: there is nothing to suggest.
      if (!(reason instanceof LabError)) {
        throw reason;
      }
    }
    if (directory === this._listed) {
      this.scripts = names.filter(name => /(\/|\.py)$/.test(name)).map(name => directory + name);
      this.announce();
    }
  }

  private _draft: IDraft = EMPTY;
  private _ours: readonly string[] | null = null;
  private _picked: readonly string[] | null = null;
  private _listed: string | null = null;
}
