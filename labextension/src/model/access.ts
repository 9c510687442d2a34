import type { AccessApi, IAccess } from '../access';
import { CallersForm, KeyForm } from './accessforms';
import { Live } from './live';

/** Who may ask a deployment, and the keys to it, with the forms that change both. */
export class AccessModel extends Live {
  constructor(
    private readonly _api: Pick<AccessApi, 'access' | 'open' | 'makeKey' | 'revoke'>,
    readonly name: string
  ) {
    super(`access:${name}`);
    for (const form of [this.callers, this.key]) {
      form.changed.connect(() => this.announce());
    }
  }

  /** Null until the first answer. */
  access: IAccess | null = null;

  /** Who may ask. */
  readonly callers = new CallersForm(async callers => {
    this._take(await this._api.open(this.name, callers));
  });

  /** A new key. */
  readonly key = new KeyForm(async (title, lifetime) => {
    const made = await this._api.makeKey(this.name, title, lifetime);
    this.refresh();
    return made;
  });

  /** Have a key open nothing any more. Rejects with a LabError. */
  async revoke(id: string): Promise<void> {
    try {
      await this._api.revoke(this.name, id);
      if (this.key.made?.id === id) {
        this.key.putAway();
      }
    } finally {
      this.refresh();
    }
  }

  protected async read(): Promise<boolean> {
    const before = JSON.stringify(this.access);
    const answers = this._answers;
    const fresh = await this._api.access(this.name);
    if (answers !== this._answers) {
      return false; // What was read is older than the answer to a wish.
    }
    this.access = fresh;
    this.callers.follow(fresh.callers);
    return before !== JSON.stringify(fresh);
  }

  protected pace(): number | null {
    return this.watched && !this.error?.isGone ? 5000 : null;
  }

  private _take(fresh: IAccess): void {
    this._answers += 1;
    this.access = fresh;
    this.callers.follow(fresh.callers);
  }

  /** Counts the answers to wishes. */
  private _answers = 0;
}
