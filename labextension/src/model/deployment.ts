import type { LabApi } from '../api';
import type { IDeployment, IModelVersion } from '../serving';
import type { IEvent } from '../specs';
import { isMoving } from './deployments';
import { Live } from './live';

/** One deployment with its events and the version it serves, read until it is gone. */
export class DeploymentModel extends Live {
  /**
   * @param _api Where it is read.
   * @param name Of the deployment.
   * @param _scale Asks for so many replicas.
   */
  constructor(
    private readonly _api: Pick<LabApi, 'deployment' | 'deploymentEvents' | 'versions'>,
    readonly name: string,
    private readonly _scale: (name: string, replicas: number) => Promise<IDeployment>
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
        this.deployment = await this._scale(this.name, sent);
        this._answers += 1;
      }
    } finally {
      this._wish = null;
      this.announce();
      this.refresh();
    }
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

  private _wish: number | null = null;
  /** Counts the answers to wishes. */
  private _answers = 0;
}
