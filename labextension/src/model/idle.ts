import { type ISignal, Signal } from '@lumino/signaling';
import type { LabApi } from '../api';
import type { IIdle } from '../labview';
import { Live } from './live';

/** Seconds before its end from which on a lab warns. */
export const WARNING = 600;
/** Milliseconds between two words to the server that somebody is there. */
const SAID = 60_000;
/** Milliseconds between two reads: while the end is far, and while it is near. */
const FAR = 60_000;
const NEAR = 15_000;

/** When the lab is stopped for want of use; never, on a server that is no lab of a hub. */
export class IdleModel extends Live {
  /**
   * @param api The lab.
   * @param now Milliseconds since the epoch.
   */
  constructor(
    private readonly _api: LabApi,
    private readonly _now: () => number = Date.now
  ) {
    super('idle');
  }

  /** Null until the first answer, and where there is none. */
  idle: IIdle | null = null;

  /** Emitted when the lab has been told that somebody is there. */
  get kept(): ISignal<this, void> {
    return this._kept;
  }

  /** Seconds until the lab is stopped, never below 0; null when nothing stops it. */
  get left(): number | null {
    if (this.idle === null || this.idle.stops === null) {
      return null;
    }
    const passed = (this._now() - this._heard) / 1000;
    return Math.max(0, this.idle.stops - this.idle.now - passed);
  }

  /** Whether the person should be warned now. */
  get isNear(): boolean {
    // A lab with a shorter limit than the warning is warned of in its second half.
    const limit = 60 * (this.idle?.limit ?? 0);
    return this.left !== null && this.left <= Math.min(WARNING, limit / 2);
  }

  /** Say that the person is there, at most once a minute unless it is `urgent`. */
  async keep(urgent = false): Promise<void> {
    const now = this._now();
    if (this.idle === null || (!urgent && !this.isNear && now - this._said < SAID)) {
      return;
    }
    const before = this._said;
    this._said = now;
    try {
      this._hear(await this._api.keepIdle());
    } catch (reason) {
      this._said = before;
      throw reason;
    }
    this._kept.emit();
    this.announce();
    this.setPace();
  }

  protected async read(): Promise<boolean> {
    const before = this.idle;
    const idle = await this._api.idle();
    this._hear(idle);
    // Time passes by itself: near the end that is news.
    return (
      JSON.stringify({ ...before, now: 0 }) !== JSON.stringify({ ...idle, now: 0 }) || this.isNear
    );
  }

  private _hear(idle: IIdle): void {
    this.idle = idle;
    this._heard = this._now();
  }

  protected pace(): number | null {
    if (!this.watched || this.error?.isGone) {
      return null;
    }
    const left = this.left;
    if (left === null) {
      return this.idle === null ? FAR : null; // Without a limit nothing changes any more.
    }
    return this.isNear || left < WARNING + 60 ? NEAR : FAR;
  }

  private _heard = 0;
  private _said = -Infinity;
  private readonly _kept = new Signal<this, void>(this);
}

/** What is left as a person would say it: minutes, and seconds in the last one. */
export function rest(seconds: number): { minutes: number; seconds: number } {
  const whole = Math.ceil(seconds);
  return whole > 60
    ? { minutes: Math.ceil(whole / 60), seconds: 0 }
    : { minutes: 0, seconds: whole };
}
