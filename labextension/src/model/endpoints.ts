import type { AccessApi, IEndpoint } from '../access';
import { LabError } from '../errors';
import { Live } from './live';
import { readAll } from './pages';

/** What a server says that has no deployments of others, or does not know of any. */
const NONE = ['not_found', 'unavailable'];

/** What other people have opened to this one, by owner and name. */
export class EndpointsModel extends Live {
  /**
   * @param _api Where it is read.
   * @param _user Who one is here.
   */
  constructor(
    private readonly _api: Pick<AccessApi, 'endpoints'>,
    private readonly _user: Promise<string>
  ) {
    super('endpoints');
  }

  /** Null until the first answer. */
  endpoints: readonly IEndpoint[] | null = null;

  protected async read(): Promise<boolean> {
    const before = JSON.stringify(this.endpoints);
    const user = await this._user;
    const all = await readAll(async (limit, next) => {
      const page = await this._api.endpoints(limit, next);
      return { items: page.endpoints, next: page.next };
    }).catch(reason => {
      if (NONE.includes(LabError.from(reason).code)) {
        return [];
      }
      throw reason;
    });
    this.endpoints = all.filter(({ owner }) => owner !== user);
    return before !== JSON.stringify(this.endpoints);
  }

  protected pace(): number | null {
    return this.watched ? 10_000 : null;
  }
}

/** One deployment of another person, read while somebody looks. */
export class EndpointModel extends Live {
  constructor(
    private readonly _api: Pick<AccessApi, 'endpoint'>,
    readonly owner: string,
    readonly name: string
  ) {
    super(`endpoint:${owner}/${name}`);
  }

  /** Null until the first answer. */
  endpoint: IEndpoint | null = null;

  /** What there is to ask: the same as `endpoint`, as the form of a request takes it. */
  get deployment(): IEndpoint | null {
    return this.endpoint;
  }
  get version(): IEndpoint | null {
    return this.endpoint;
  }

  /** Whether there is none that this person may ask. */
  get gone(): boolean {
    return this.error?.isGone ?? false;
  }

  protected async read(): Promise<boolean> {
    const before = JSON.stringify(this.endpoint);
    this.endpoint = await this._api.endpoint(this.owner, this.name);
    return before !== JSON.stringify(this.endpoint);
  }

  protected pace(): number | null {
    return this.watched && !this.gone ? 5000 : null;
  }
}
