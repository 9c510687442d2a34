import type { HistoryApi } from '../historyapi';
import { LabError } from '../errors';
import type { IStack } from '../history';
import { Form } from './form';

/** Where the replicas of a job are, when somebody asks. */
export class StacksModel extends Form {
  constructor(
    private readonly _api: Pick<HistoryApi, 'stacks'>,
    private readonly _id: string
  ) {
    super();
  }

  /** Null until somebody has asked. */
  stacks: readonly IStack[] | null = null;

  error: LabError | null = null;

  isRunning = false;

  async read(): Promise<void> {
    if (this.isRunning) {
      return;
    }
    this.isRunning = true;
    this.error = null;
    this.announce();
    try {
      this.stacks = await this._api.stacks(this._id);
    } catch (reason) {
      this.error = LabError.from(reason);
    } finally {
      this.isRunning = false;
      this.announce();
    }
  }
}
