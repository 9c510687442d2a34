import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';
import { LabError } from '../errors';

/** Longest wait between two tries while the server does not answer, milliseconds. */
const MAX_WAIT = 30_000;
/** Milliseconds between two reads of what is followed while nobody looks. */
const LEISURE = 15_000;

/**
 * Something on the server that is read again and again while somebody watches it.
 *
 * A subclass writes `read` and `pace`. No pace and no follower means no timer and no request; a failed
 * read is kept in `error`, leaves the last values as they are and is retried with backoff.
 */
export abstract class Live implements IDisposable {
  constructor(name: string) {
    this._poll = new Poll({
      auto: false,
      name: `dllab:${name}`,
      factory: () => this._tick(),
      frequency: { interval: Poll.NEVER, max: Poll.NEVER, backoff: true },
      // A tick that was due when the last watcher left reads nothing.
      standby: () => (this._asked || this._interval !== null ? 'when-hidden' : true)
    });
  }

  /** Why the last read failed, or null. */
  error: LabError | null = null;

  /** Emitted when there is something new to draw. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Whether somebody looks at this now. */
  get watched(): boolean {
    return this._watchers > 0;
  }

  /** Whether somebody looks at this now, or wants to hear its news. */
  protected get attended(): boolean {
    return this._watchers + this._followers > 0;
  }

  get isDisposed(): boolean {
    return this._poll.isDisposed;
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._poll.dispose();
      Signal.clearData(this);
    }
  }

  /** Read at the pace of somebody who looks, until the result is disposed. */
  watch(): IDisposable {
    this._watchers += 1;
    this.refresh();
    return new DisposableDelegate(() => {
      this._watchers -= 1;
      this.setPace();
    });
  }

  /** Read slowly also while nobody looks, until the result is disposed: so that news is noticed. */
  follow(): IDisposable {
    this._followers += 1;
    this.refresh();
    return new DisposableDelegate(() => {
      this._followers -= 1;
      this.setPace();
    });
  }

  /** Read now, then go on at the pace there is. */
  refresh(): void {
    this._asked = true;
    this.setPace();
    void this._poll.refresh();
  }

  /** Read the server once; resolves to whether anything is worth drawing. */
  protected abstract read(): Promise<boolean>;

  /** Milliseconds until the next read, or null when no further read is needed. */
  protected abstract pace(): number | null;

  /** Milliseconds between two reads while it is only followed, or null when none is needed. */
  protected leisure(): number | null {
    return LEISURE;
  }

  protected announce(): void {
    this._changed.emit();
  }

  /** Go on at the pace that is right now. */
  protected setPace(): void {
    const interval = this._interval ?? Poll.NEVER;
    this._poll.frequency = { interval, max: Math.max(interval, MAX_WAIT), backoff: true };
  }

  private get _interval(): number | null {
    return this.pace() ?? (this._followers > 0 ? this.leisure() : null);
  }

  /** One read; those who ask while it is under way share it. */
  private _tick(): Promise<void> {
    this._reading ??= this._read().finally(() => {
      this._reading = null;
    });
    return this._reading;
  }

  private async _read(): Promise<void> {
    const before = this.error;
    this._asked = false;
    try {
      const news = await this.read();
      this.error = null;
      if (!this.isDisposed && (news || before !== null)) {
        this._changed.emit();
      }
    } catch (reason) {
      this.error = LabError.from(reason);
      if (!this.isDisposed) {
        this._changed.emit();
      }
      throw this.error; // The poll backs off.
    } finally {
      this.setPace();
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _poll: Poll;
  private _reading: Promise<void> | null = null;
  /** Whether `refresh` was called and nothing has been read since. */
  private _asked = false;
  private _watchers = 0;
  private _followers = 0;
}
