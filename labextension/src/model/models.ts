import type { LabApi } from '../api';
import type { IModel } from '../serving';
import { Live } from './live';
import { readAll } from './pages';

/** The person's published models, by name. */
export class ModelsModel extends Live {
  constructor(private readonly _api: LabApi) {
    super('models');
  }

  /** Null until the first answer. */
  models: readonly IModel[] | null = null;

  protected async read(): Promise<boolean> {
    const before = JSON.stringify(this.models);
    this.models = await readAll(async (limit, next) => {
      const page = await this._api.models(limit, next);
      return { items: page.models, next: page.next };
    });
    return before !== JSON.stringify(this.models);
  }

  protected pace(): number | null {
    return this.watched ? 5000 : null;
  }
}
