import { at } from './path';
import type { DeploymentState, ITensor } from './serving';
import type { Send } from './tokens';

/** People of the hub who may ask a deployment, as `dllab_hub/specs/access.py` has it. */
export interface ICallers {
  who: 'owner' | 'groups' | 'everyone';
  groups: string[];
}

/** What is known of a key; times are seconds since the epoch, null is never. */
export interface IKey {
  id: string;
  title: string;
  created: number;
  expires: number | null;
  used: number | null;
}

/** A key that was just made: the key itself is told this once. */
export interface INewKey extends IKey {
  key: string;
}

/** Keys oldest first. */
export interface IAccess {
  callers: ICallers;
  keys: IKey[];
}

/** A deployment that one may ask, one's own or another person's. */
export interface IEndpoint {
  owner: string;
  name: string;
  model: string;
  version: number;
  state: DeploymentState;
  url: string;
  inputs: ITensor[];
  outputs: ITensor[];
  /** JSON text of a request that it answers; may be empty. */
  example: string;
}

/** The part of the REST interface about who may ask what. Rejects with a LabError. */
export class AccessApi {
  constructor(private readonly _send: Send) {}

  access(name: string): Promise<IAccess> {
    return this._send(at('deployments', name, 'access'));
  }

  /** Have these people be able to ask it, and no others. */
  open(name: string, callers: ICallers): Promise<IAccess> {
    return this._send(at('deployments', name, 'access'), { method: 'PUT', body: callers });
  }

  /** A new key, good for so many seconds; null is until it is revoked. */
  makeKey(name: string, title: string, lifetime: number | null): Promise<INewKey> {
    const body = { title, lifetime };
    return this._send(at('deployments', name, 'keys'), { method: 'POST', body });
  }

  async revoke(name: string, id: string): Promise<void> {
    await this._send(at('deployments', name, 'keys', id), { method: 'DELETE' });
  }

  /** What one may ask, by owner and name. */
  endpoints(
    limit: number,
    next: string | null = null
  ): Promise<{ endpoints: IEndpoint[]; next: string | null }> {
    return this._send('endpoints', { query: { limit, next } });
  }

  endpoint(owner: string, name: string): Promise<IEndpoint> {
    return this._send(at('endpoints', owner, name));
  }
}
