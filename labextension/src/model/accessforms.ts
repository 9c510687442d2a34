import type { ICallers, INewKey } from '../access';
import { LabError } from '../errors';
import { Form } from './form';

/** Seconds for which a key may be good; null is until it is revoked. */
export const LIFETIMES = [null, 30 * 86400, 90 * 86400, 365 * 86400] as const;

/** As `dllab_hub/specs/access.py` has it. */
const MOST_GROUPS = 50;
const GROUP = /^[^\x00-\x1f\x7f]{1,255}$/;
const TITLE = /^[^\x00-\x1f\x7f]{1,80}$/;

/** A form that is sent, and what came of it. */
abstract class SentForm<Field extends string> extends Form {
  /** Whether a wish is under way. */
  busy = false;

  /** Why the server refused the last try, or null. */
  error: LabError | null = null;

  /** The field that `error` is about; without an error, the one that cannot be sent as it is. */
  field: Field | null = null;

  /** Send it; resolves to whether it was taken. */
  async submit(): Promise<boolean> {
    if (this.busy) {
      return false;
    }
    this.error = null;
    this.field = this.flaw();
    if (this.field !== null) {
      this.announce();
      return false;
    }
    this.busy = true;
    this.announce();
    try {
      await this.send();
      return true;
    } catch (reason) {
      this.error = LabError.from(reason);
      this.field = this.fieldOf(this.error.field);
      return false;
    } finally {
      this.busy = false;
      this.announce();
    }
  }

  protected abstract send(): Promise<void>;

  /** The first field that cannot be sent as it is, or null. */
  protected abstract flaw(): Field | null;

  /** The field that the server calls so, or null. */
  protected abstract fieldOf(name: string): Field | null;

  /** What was wrong is not any more, as far as is known. */
  protected touch(): void {
    this.field = this.error = null;
    this.announce();
  }
}

/** Which people of the hub may ask, as a person says it. */
export class CallersForm extends SentForm<'groups'> {
  /** @param _open Sends the wish. */
  constructor(private readonly _open: (callers: ICallers) => Promise<void>) {
    super();
  }

  who: ICallers['who'] = 'owner';
  /** Names, with commas between. */
  groups = '';

  /** Whether something else is written here than what is so. */
  get isChanged(): boolean {
    return this._followed !== '' && this._followed !== JSON.stringify(this._wish());
  }

  /** Take a change of the person's. */
  set(change: Partial<Pick<CallersForm, 'who' | 'groups'>>): void {
    Object.assign(this, change);
    this.touch();
  }

  /** Show what is so, once; what a person has changed since stays. */
  follow({ who, groups }: ICallers): void {
    const now = JSON.stringify({ who, groups });
    if (now !== this._followed) {
      this._followed = now;
      this.who = who;
      this.groups = groups.join(', ');
      this.touch();
    }
  }

  protected send(): Promise<void> {
    return this._open(this._wish());
  }

  protected flaw(): 'groups' | null {
    const { who, groups } = this._wish();
    const fits = groups.length > 0 && groups.length <= MOST_GROUPS;
    return who !== 'groups' || (fits && groups.every(group => GROUP.test(group))) ? null : 'groups';
  }

  /** Each entry of the list has a place of its own in what the server says. */
  protected fieldOf(name: string): 'groups' | null {
    return this.who === 'groups' && name.split('.')[0] === 'groups' ? 'groups' : null;
  }

  private _wish(): ICallers {
    const names = this.groups.split(',').map(name => name.trim());
    const groups = this.who === 'groups' ? [...new Set(names.filter(Boolean))] : [];
    return { who: this.who, groups };
  }

  private _followed = '';
}

export type KeyField = 'title' | 'lifetime';

/** A key that a person is making. The key itself is here until it is put away, and nowhere else. */
export class KeyForm extends SentForm<KeyField> {
  /** @param _make Has it made. */
  constructor(private readonly _make: (title: string, life: number | null) => Promise<INewKey>) {
    super();
  }

  title = '';
  /** Seconds; null is until it is revoked. */
  lifetime: number | null = LIFETIMES[2];
  /** What was made last. */
  made: INewKey | null = null;

  /** Take a change of the person's. */
  set(change: Partial<Pick<KeyForm, KeyField>>): void {
    Object.assign(this, change);
    this.touch();
  }

  /** Forget the key that was made. */
  putAway(): void {
    this.made = null;
    this.announce();
  }

  protected async send(): Promise<void> {
    this.made = await this._make(this.title.trim(), this.lifetime);
    this.title = '';
  }

  protected flaw(): KeyField | null {
    return TITLE.test(this.title.trim()) ? null : 'title';
  }

  protected fieldOf(name: string): KeyField | null {
    return name === 'title' || name === 'lifetime' ? name : null;
  }
}
