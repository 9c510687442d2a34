import type { LabApi } from '../api';
import type { ICapacity } from '../specs';
import { Live } from './live';

/** How many GPUs there are and how many are held. No GPU is asked for it. */
export class CapacityModel extends Live {
  constructor(private readonly _api: LabApi) {
    super('capacity');
  }

  /** Null until the first answer. */
  capacity: ICapacity | null = null;

  protected async read(): Promise<boolean> {
    const before = JSON.stringify(this.capacity);
    this.capacity = await this._api.capacity();
    return before !== JSON.stringify(this.capacity);
  }

  protected pace(): number | null {
    return this.watched ? 5000 : null;
  }
}
