import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabApi } from '../api';
import { LabError } from '../errors';
import type { ILabView } from '../labview';
import type { ICapacity, ICatalog, IJob } from '../specs';
import type { IFinding, IPreflight, ISpec, ITrainingSpec } from '../trainspec';
import { build, type Built, type IPlace, type ISources } from './code';
import { type DraftField, EMPTY, type IDraft, type Problems } from './draft';
import { nameFor, problemsOf, sourceOf } from './draft';
import { Live } from './live';
import type { INotebook } from './notebook';
import { outlook, Places } from './places';
import { Suggestions } from './suggest';
import { changesOf, draftOf, fieldFor, gpusOf, toSpec } from './wish';

/** What a form does with its wish. */
export type TrainStep = 'checking' | 'submitting';

/** A form for a new training: what is typed, what can be picked, what the wish would meet. */
export class TrainForm extends Live {
  /** @param old The job that is run again, with the changes made here; null for a new one. */
  constructor(
    private readonly _api: LabApi,
    private readonly _sources: ISources,
    private readonly _trans: TranslationBundle,
    readonly old: IJob | null = null
  ) {
    super('train-form');
    this._scripts = new Suggestions(directory => _sources.list(directory), /\.py$/);
    if (old !== null) {
      this._draft = draftOf(old.spec);
      this._picked = old.spec.volumes;
      this._named = true;
    }
  }

  /** Null until the first answer. */
  catalog: ICatalog | null = null;

  /** What a request for the GPUs that are asked for would meet; null while that is not known. */
  forecast: ICapacity['forecast'] = null;

  /** Those that are open in this page. */
  notebooks: readonly INotebook[] = [];

  /** Sentences at fields. */
  problems: Problems = {};

  /** What went wrong and belongs to no field. */
  failure: LabError | null = null;

  /** The line that an error is about, or null. */
  place: IPlace | null = null;

  /** What the last check found; null when something was changed since. */
  found: IPreflight | null = null;

  /** The job that was submitted last. */
  job: IJob | null = null;

  /** How many tries met a problem at a field: each is a reason to show where. */
  refusals = 0;

  /** What is under way, or null. */
  step: TrainStep | null = null;

  /** Python files and directories that the path may go on with. */
  get scripts(): readonly string[] {
    return this._scripts.paths;
  }

  get draft(): Readonly<IDraft> {
    return this._draft;
  }

  /** Where it may run, and what can be picked for that. */
  get places(): Places {
    return new Places(this.catalog, this._draft.target);
  }

  /** The image that is chosen, else the lab's, else the one for those who do not choose. */
  get image(): string {
    return this.places.image(this._draft.image, this._lab?.image ?? '');
  }

  /** All GPUs that are asked for; null while that cannot be told. */
  get gpus(): number | null {
    return gpusOf(this._draft, this._spec);
  }

  /** Names of the volumes that the job gets: those of the lab, until somebody picks. */
  get volumes(): readonly string[] {
    const picked = this._picked ?? this._lab?.volumes.map(({ name }) => name) ?? [];
    return this.places.volumes.map(({ name }) => name).filter(name => picked.includes(name));
  }

  /** Have the job get a volume, or no longer. */
  pickVolume(name: string, wanted: boolean): void {
    const others = this.volumes.filter(other => other !== name);
    this._picked = wanted ? [...others, name] : others;
    this._forget();
    this.announce();
  }

  /** Type into a field. What was said about it is said no more. */
  set(field: DraftField, value: string): void {
    const changed = { ...this._draft, [field]: value };
    changed.notebook ||= changed.code === 'cells' ? (this.notebooks[0]?.path ?? '') : '';
    const source = sourceOf(changed);
    if (field === 'name') {
      this._named = value !== '';
    }
    // A name follows the file until somebody types one.
    const follows = field !== 'name' && source !== '' && !this._named;
    this._draft = follows ? { ...changed, name: nameFor(source) } : changed;
    const fresh = field === 'target' ? 'image' : follows ? 'name' : field;
    this.problems = { ...this.problems, [field]: undefined, [fresh]: undefined };
    this._forget();
    this.announce();
    if (field === 'workers' || field === 'gpus' || field === 'strategy' || field === 'target') {
      this.forecast = null;
      this.refresh();
    } else if (field === 'path') {
      void this._suggest();
    }
  }

  /** Submit it; resolves to the job, or to null when something is wrong, which is then in view. */
  submit(): Promise<IJob | null> {
    const { _api: api, old } = this;
    return this._send('submitting', async spec => {
      this.job = await (old === null
        ? api.submit(spec)
        : api.rerun(old.id, changesOf(old.spec, spec)));
      return this.job;
    });
  }

  /** Look for what would make it fail at once; resolves to what was found, which is then in view. */
  check(): Promise<IPreflight | null> {
    return this._send('checking', async spec => {
      this.found = await this._api.preflight({ ...this._spec, ...spec }, true);
      return this.found;
    });
  }

  /** Where in the lab the line of a finding stands, or null. */
  placeOf(finding: IFinding): IPlace | null {
    return this._built?.placeOf(finding) ?? null;
  }

  /** What to do about a finding. */
  hintFor(finding: IFinding): string {
    return this._built?.hint(finding, this._trans) || finding.hint;
  }

  protected async read(): Promise<boolean> {
    const seen = () => JSON.stringify([this.catalog, this.forecast, this.notebooks]);
    const before = seen();
    this.notebooks = this._sources.notebooks();
    await this._know();
    const wanted = () => JSON.stringify([this.gpus, this._draft.target]);
    for (let asked = ''; asked !== wanted();) {
      asked = wanted();
      this.forecast = await outlook(this._api, this.gpus, this._draft.target);
    }
    await this._suggest();
    return before !== seen();
  }

  protected pace(): number | null {
    return this.watched ? 5000 : null;
  }

  private get _spec(): ISpec | null {
    return this.old?.spec ?? null;
  }

  /** Ask once what there is to pick from, and what was picked for the lab. */
  private async _know(): Promise<void> {
    this._lab ??= await this._api.lab();
    this.catalog ??= await this._api.catalog();
  }

  /** Do something with the wish, unless it cannot be right or something is under way. */
  private async _send<T>(
    step: TrainStep,
    send: (spec: ITrainingSpec) => Promise<T>
  ): Promise<T | null> {
    if (this.step !== null) {
      return null;
    }
    this._forget();
    this._built = null;
    this.problems = problemsOf(this._draft, this.catalog, this._trans);
    let result: T | null = null;
    if (Object.keys(this.problems).length === 0) {
      this.step = step;
      this.announce();
      try {
        // Who is quick sends before it is known what there is, and what is picked by default.
        await this._know();
        this._built = await build(this._draft, this._spec, this._sources, this._trans);
        const spec = toSpec(this._draft, this.image, this._built.code, this._spec);
        const lab = this.places.lab(this._lab?.id, this.old === null);
        result = await send({ ...spec, volumes: this.volumes, ...lab });
      } catch (reason) {
        this._fail(LabError.from(reason));
      } finally {
        this.step = null;
      }
    }
    if (Object.keys(this.problems).length > 0) {
      this.refusals += 1;
    }
    this.announce();
    return result;
  }

  /** What was said about the wish as it was is said no more. */
  private _forget(): void {
    this.failure = this.job = this.place = this.found = null;
  }

  private _fail(error: LabError): void {
    const field = fieldFor(error.field, this._draft);
    const at = { file: this._built?.fileOf(error) ?? '', line: error.line };
    this.place = this._built?.placeOf(at) ?? null;
    if (field === null) {
      this.failure = error;
    } else {
      const hint = this._built?.hint(at, this._trans) || error.hint;
      this.problems = { [field]: [error.sentence, hint].join(' ').trim() };
    }
  }

  private async _suggest(): Promise<void> {
    if (await this._scripts.look(this._draft.path)) {
      this.announce();
    }
  }

  private _draft: IDraft = EMPTY;
  private _built: Built | null = null;
  private _lab: ILabView | null = null;
  /** Whether the name was given by somebody. */
  private _named = false;
  private _picked: readonly string[] | null = null;
  private readonly _scripts: Suggestions;
}
