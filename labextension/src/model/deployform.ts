import type { LabApi } from '../api';
import { LabError } from '../errors';
import { type IDeployment, type IDeploymentSpec, MAX_REPLICAS } from '../serving';
import {
  type IScaleDraft,
  SCALE,
  SCALE_FIELDS,
  type ScaleField,
  scaleDraft,
  scaleFlaw,
  scaleWish
} from './autoscale';
import { type DeployField, type DeployStep, fieldOf } from './deployfields';
import { Form } from './form';
import {
  type IReplicaDraft,
  REPLICA,
  REPLICA_FIELDS,
  type ReplicaField,
  replicaDraft,
  replicaFlaw,
  replicaWish
} from './replica';
import { Suggestions } from './suggest';

/** As `dllab_hub/names.py` has it. */
const NAME = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;

/** Ends of the names of files with models, as `dllab_hub/deploying.py` has them. */
const MODEL_FILE = /\.(onnx|pt2?|pth|pkl|joblib|zip|tar|tar\.gz|tgz)$/i;

/** Where the model comes from. */
export type DeploySource = 'model' | 'file';

/** A deployment that a person is describing. */
export class DeployForm extends Form {
  /**
   * @param _publish Keeps a file of the lab as a version of a model.
   * @param _deploy Serves a model.
   * @param list Names in a directory of the lab; those of directories end with a slash.
   */
  constructor(
    private readonly _publish: LabApi['publishPath'],
    private readonly _deploy: (spec: IDeploymentSpec) => Promise<IDeployment>,
    list: (directory: string) => Promise<readonly string[]>
  ) {
    super();
    this._suggestions = new Suggestions(list, MODEL_FILE);
  }

  /** Name of the deployment that it began with; empty for a new one. */
  begun = '';
  source: DeploySource = 'model';
  /** Name of a published model. */
  model = '';
  /** Null for the newest. */
  version: number | null = null;
  /** Below the root of the lab. */
  path = '';
  replicas = 1;
  /** Whether their number follows the load. */
  follow = false;
  /** How it does. */
  scale: IScaleDraft = SCALE;
  /** What each replica gets. */
  each: IReplicaDraft = REPLICA;

  /** Directories and files with models that the path may go on with. */
  get paths(): readonly string[] {
    return this._suggestions.paths;
  }

  /** What is under way, or null. */
  step: DeployStep | null = null;

  /** Why the server refused the last try, or null. */
  error: LabError | null = null;

  /** The field that `error` is about; without an error, the one that cannot be sent as it is. */
  field: DeployField | null = null;

  /** Under which name the file is published: what was typed, else what the file is called. */
  get publishAs(): string {
    return this._publishAs ?? nameOf(this.path);
  }
  set publishAs(name: string) {
    this._publishAs = name;
  }

  /** Of the deployment: what was typed, else what the model is called. */
  get name(): string {
    return this._name ?? (this.source === 'model' ? this.model : this.publishAs);
  }
  set name(name: string) {
    this._name = name;
  }

  /** Begin with what a deployment is now: what is sent then replaces it. */
  take({ name, spec, version }: IDeployment): void {
    const { model, replicas, autoscale } = spec;
    this.begun = this._name = name;
    const scale = autoscale ? scaleDraft(autoscale) : SCALE;
    const [follow, each] = [Boolean(autoscale), replicaDraft(spec)];
    this.set({ source: 'model', model, version, replicas, follow, scale, each });
  }

  /** Take a change of how it follows the load. */
  setScale(field: ScaleField, value: string): void {
    this.set({ scale: { ...this.scale, [field]: value } });
  }

  /** Whether there are GPUs whose load could be followed. */
  get hasGpus(): boolean {
    return Number(this.each.gpus) > 0;
  }

  /** Follow that; a target of one is none of the other. */
  setSignal(signal: IScaleDraft['signal']): void {
    const target = signal === 'gpu' ? '0.7' : SCALE.target;
    this.set({ scale: { ...this.scale, signal, target } });
  }

  /** Take a change of what each replica gets. */
  setEach(field: ReplicaField, value: string): void {
    this.set({ each: { ...this.each, [field]: value } });
    if (!this.hasGpus && this.scale.signal === 'gpu') {
      this.setSignal('inflight');
    }
  }

  /** Take a change of the person's. */
  set(change: Partial<Pick<DeployForm, Editable>>): void {
    Object.assign(this, change);
    const touched = [
      ...Object.keys(change),
      ...('scale' in change ? SCALE_FIELDS : []),
      ...('each' in change ? REPLICA_FIELDS : [])
    ];
    if (this.field !== null && touched.includes(this.field)) {
      this._fail(null);
    }
    this.announce();
  }

  /** Look for what the path may go on with, when that is another directory than before. */
  async suggest(): Promise<void> {
    if (await this._suggestions.look(this.path)) {
      this.announce();
    }
  }

  /** Publish if need be, then deploy; null when it failed and `error` says why. */
  async submit(): Promise<IDeployment | null> {
    if (this.step !== null) {
      return null;
    }
    this._fail(null);
    this.field = this._flaw();
    if (this.field !== null) {
      this.announce();
      return null;
    }
    try {
      if (this.source === 'file') {
        this._begin('publishing');
        await this._publishFile();
      }
      this._begin('deploying');
      const { name, model, version, replicas } = this;
      // A server that does not know a key yet takes every wish that can do without it.
      const wish = { name, model, version, replicas, ...replicaWish(this.each) };
      return await this._deploy(this.follow ? { ...wish, autoscale: scaleWish(this.scale) } : wish);
    } catch (reason) {
      this._fail(LabError.from(reason));
      return null;
    } finally {
      this.step = null;
      this.announce();
    }
  }

  /** The file becomes a version; a second try serves that one instead of publishing it again. */
  private async _publishFile(): Promise<void> {
    const name = this.name;
    const { model, version } = await this._publish(this.publishAs, this.path.trim());
    this._name = name;
    this.source = 'model';
    this.model = model;
    this.version = version;
  }

  /** The first field that cannot be sent: nothing is published for a wish that is refused anyway. */
  private _flaw(): DeployField | null {
    if (this.source === 'model' && this.model === '') {
      return 'model';
    }
    if (this.source === 'file' && this.path.trim() === '') {
      return 'path';
    }
    if (this.source === 'file' && !NAME.test(this.publishAs)) {
      return 'publishAs';
    }
    if (!NAME.test(this.name)) {
      return 'name';
    }
    const { replicas } = this;
    const fits = Number.isInteger(replicas) && replicas >= 1 && replicas <= MAX_REPLICAS;
    if (!fits) {
      return 'replicas';
    }
    const flaw = replicaFlaw(this.each) ?? (this.follow ? scaleFlaw(this.scale) : null);
    return flaw?.field ?? null;
  }

  private _begin(step: DeployStep): void {
    this.step = step;
    this.announce();
  }

  private _fail(error: LabError | null): void {
    this.error = error;
    this.field = error === null ? null : fieldOf(error, this.step);
  }

  private _publishAs: string | null = null;
  private _name: string | null = null;
  private readonly _suggestions: Suggestions;
}

type Editable =
  | 'source'
  | 'model'
  | 'version'
  | 'path'
  | 'publishAs'
  | 'name'
  | 'replicas'
  | 'follow'
  | 'scale'
  | 'each';

/** A name such as the server takes, from a file's: `Net_v2.onnx` becomes `net-v2`. */
export function nameOf(path: string): string {
  const file = path.slice(path.lastIndexOf('/') + 1).replace(MODEL_FILE, '');
  return file
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replace(/^-+|-+$/g, '');
}
