import type { LabApi } from '../api';
import { LabError } from '../errors';
import type { IHost } from '../gpuspecs';
import { Live } from './live';

/** Milliseconds between two questions while somebody looks. */
const PACE = 5000;

/** CPU, memory and disks of the machine or container; read only while somebody looks. */
export class HostModel extends Live {
  constructor(private readonly _api: LabApi) {
    super('host');
  }

  host: IHost | null = null;

  protected async read(): Promise<boolean> {
    try {
      this.host = await this._api.host();
      return true;
    } catch (reason) {
      this.host = null; // What is not known is not shown.
      if (LabError.from(reason).isGone) {
        this.dispose(); // An older server does not tell.
        return false;
      }
      throw reason;
    }
  }

  protected pace(): number | null {
    return this.watched ? PACE : null;
  }
}
