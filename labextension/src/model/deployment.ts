import type { LabApi } from '../api';
import type { ICanary, IDeployment, IModelVersion } from '../serving';
import type { IEvent } from '../specs';
import { type DeploymentsModel, isMoving } from './deployments';
import { Live } from './live';

/** One deployment with its events and the version it serves, read until it is gone. */
export class DeploymentModel extends Live {
  /**
   * @param _api Where it is read.
   * @param name Of the deployment.
   * @param _wishes Where its wishes are sent.
   */
  constructor(
    private readonly _api: Pick<LabApi, 'deployment' | 'deploymentEvents' | 'versions'>,
    readonly name: string,
    private readonly _wishes: Pick<DeploymentsModel, 'scale' | 'canary' | 'promote' | 'rollback'>
  ) {
    super(`deployment:${name}`);
  }

  /** Null until the first answer. */
  deployment: IDeployment | null = null;

  /** Oldest first. */
  events: readonly IEvent[] = [];

  /** What is served, with its inputs, outputs and example; null until it is known. */
  version: IModelVersion | null = null;

  /** Whether the server says that there is no such deployment. */
  get gone(): boolean {
    return this.error?.isGone ?? false;
  }

  /** How many replicas are wished for, also while the server has not answered the wish yet. */
  get wish(): number {
    return this._wish ?? this.deployment?.spec.replicas ?? 0;
  }

  /** Wish for so many replicas; of wishes made quickly only the last is sent. Rejects with a LabError. */
  async scale(replicas: number): Promise<void> {
    const sending = this._wish !== null;
    this._wish = replicas;
    this.announce();
    if (sending) {
      return;
    }
    try {
      let sent = 0;
      while (this._wish !== sent) {
        sent = this._wish;
        this.deployment = await this._wishes.scale(this.name, sent);
        this._answers += 1;
      }
    } finally {
      this._wish = null;
      this.announce();
      this.refresh();
    }
  }

  /** Have another version answer a part of the requests. Rejects with a LabError. */
  canary(canary: ICanary): Promise<void> {
    return this._carry(this._wishes.canary(this.name, canary));
  }

  /** Have the canary answer everything. Rejects with a LabError. */
  promote(): Promise<void> {
    return this._carry(this._wishes.promote(this.name));
  }

  /** Have the canary answer nothing more, else serve what was served before. Rejects likewise. */
  rollback(): Promise<void> {
    return this._carry(this._wishes.rollback(this.name));
  }

  protected async read(): Promise<boolean> {
    const answers = this._answers;
    const [deployment, events] = await Promise.all([
      this._api.deployment(this.name),
      this._api.deploymentEvents(this.name)
    ]);
    this.events = events;
    if (answers !== this._answers) {
      return true; // What was read is older than the answer to a wish.
    }
    this.deployment = deployment;
    const { model } = deployment.spec;
    if (this.version?.model !== model || this.version.version !== deployment.version) {
      const versions = await this._api.versions(model);
      this.version = versions.find(({ version }) => version === deployment.version) ?? null;
    }
    return true;
  }

  protected pace(): number | null {
    if (!this.watched || this.gone) {
      return null;
    }
    return this.deployment === null || isMoving(this.deployment) ? 1000 : 2000;
  }

  /** What the server answers to a wish is shown at once. */
  private async _carry(wish: Promise<IDeployment>): Promise<void> {
    try {
      this.deployment = await wish;
      this._answers += 1;
      this.announce();
    } finally {
      this.refresh();
    }
  }

  private _wish: number | null = null;
  /** Counts the answers to wishes. */
  private _answers = 0;
}
