import { type ISignal, Signal } from '@lumino/signaling';
import type { LabApi } from '../api';
import { type ICanary, type IDeployment, type IDeploymentSpec, wishedOf } from '../serving';
import { Live } from './live';
import { readAll } from './pages';

/** The person's deployments, by name. */
export class DeploymentsModel extends Live {
  constructor(private readonly _api: LabApi) {
    super('deployments');
  }

  /** Null until the first answer. */
  deployments: readonly IDeployment[] | null = null;

  /** A deployment came to another state, or has appeared since the last read. */
  get turned(): ISignal<this, ITurn> {
    return this._turned;
  }

  /** Serve a model. Rejects with a LabError. */
  async deploy(spec: IDeploymentSpec): Promise<IDeployment> {
    return this._wished(await this._api.deploy(spec));
  }

  /** Have so many replicas. Rejects with a LabError. */
  async scale(name: string, replicas: number): Promise<IDeployment> {
    return this._wished(await this._api.scale(name, replicas));
  }

  /** Have another version answer a part of the requests. Rejects with a LabError. */
  async canary(name: string, canary: ICanary): Promise<IDeployment> {
    return this._wished(await this._api.canary(name, canary));
  }

  /** Have the canary answer everything. Rejects with a LabError. */
  async promote(name: string): Promise<IDeployment> {
    return this._wished(await this._api.promote(name));
  }

  /** Have the canary, else the newest wish, answer nothing more. Rejects with a LabError. */
  async rollback(name: string): Promise<IDeployment> {
    return this._wished(await this._api.rollback(name));
  }

  /** Serve it no more. Rejects with a LabError. */
  async remove(name: string): Promise<void> {
    await this._api.deleteDeployment(name);
    this.refresh();
  }

  protected async read(): Promise<boolean> {
    const before = this.deployments;
    const answers = this._answers;
    const fresh = await readAll(async (limit, next) => {
      const page = await this._api.deployments(limit, next);
      return { items: page.deployments, next: page.next };
    });
    if (answers !== this._answers && before !== null) {
      return false; // What was read is older than the answer to a wish.
    }
    this._take(fresh);
    return JSON.stringify(before) !== JSON.stringify(fresh);
  }

  protected pace(): number | null {
    return this.watched ? (this.deployments?.some(isMoving) ? 1000 : 2000) : null;
  }

  /** What the server answered to a wish takes the place of what was known. */
  private _wished(fresh: IDeployment): IDeployment {
    this._answers += 1;
    const others = (this.deployments ?? []).filter(({ name }) => name !== fresh.name);
    if (this.deployments !== null) {
      this._take([...others, fresh].sort((a, b) => (a.name < b.name ? -1 : 1)));
      this.announce();
    }
    this.refresh();
    return fresh;
  }

  private _take(fresh: readonly IDeployment[]): void {
    const known = this.deployments;
    this.deployments = fresh;
    if (known === null) {
      return; // What was so before anybody looked is no news.
    }
    const old = new Map(known.map(deployment => [deployment.name, deployment]));
    for (const deployment of fresh) {
      const before = old.get(deployment.name) ?? null;
      if (before?.state !== deployment.state) {
        this._turned.emit({ deployment, before });
      }
    }
  }

  private readonly _turned = new Signal<this, ITurn>(this);
  /** Counts the answers to wishes. */
  private _answers = 0;
}

/** A deployment and what was known of it before; null when it is new. */
export interface ITurn {
  deployment: IDeployment;
  before: IDeployment | null;
}

/** Whether something is under way that ends soon. */
export function isMoving(deployment: IDeployment): boolean {
  const { state, ready } = deployment;
  return state !== 'IDLE' && (state !== 'READY' || ready !== wishedOf(deployment));
}
