import { type IAlert, isSilenced } from '../alertspecs';
import type { LabApi } from '../api';
import { LabError } from '../errors';
import { Live } from './live';
import type { Stream, StreamState } from './stream';

/** Milliseconds between two questions of somebody who looks while the stream tells nothing. */
const PACE = 5000;

/**
 * The alerts of the person.
 *
 * They ride on the stream of the GPUs while that is open; until it tells of them they are asked for.
 */
export class AlertsModel extends Live {
  constructor(
    private readonly _api: LabApi,
    private readonly _stream: Stream
  ) {
    super('alerts');
    _stream.frames.connect(this._onFrame, this);
    _stream.stateChanged.connect(this._onState, this);
  }

  /** As the server orders them; empty before the first answer. */
  alerts: readonly IAlert[] = [];

  /** Whether the server has told of them, if only that there are none. */
  known = false;

  /** Those that people are told of: neither pending, nor over, nor silenced. */
  firing(now = Date.now() / 1000): IAlert[] {
    return this.alerts.filter(alert => alert.state === 'firing' && !isSilenced(alert, now));
  }

  /** Tell nobody of it for so many minutes. */
  async silence(id: string, minutes: number): Promise<void> {
    await this._api.silence(id, minutes);
    this.refresh();
  }

  async unsilence(id: string): Promise<void> {
    await this._api.unsilence(id);
    this.refresh();
  }

  override dispose(): void {
    this._stream.frames.disconnect(this._onFrame, this);
    this._stream.stateChanged.disconnect(this._onState, this);
    super.dispose();
  }

  protected async read(): Promise<boolean> {
    const before = this._frames;
    try {
      const { alerts } = await this._api.alerts();
      return this._frames === before && this._take(alerts); // A frame that came since is newer.
    } catch (reason) {
      if (LabError.from(reason).isGone) {
        this.dispose(); // An older server: there is nothing to tell.
        return false;
      }
      throw reason;
    }
  }

  protected pace(): number | null {
    return this.watched && !this._rides ? PACE : null;
  }

  protected override leisure(): number | null {
    return this._rides ? null : super.leisure();
  }

  private _onFrame(_: Stream, frame: unknown): void {
    const told = frame as { type?: string; alerts?: IAlert[] } | null;
    if (told?.type === 'alerts' && Array.isArray(told.alerts)) {
      const news = this._take(told.alerts) || this.error !== null;
      this.error = null;
      this._frames += 1;
      if (!this._rides) {
        this._rides = true;
        this.setPace();
      }
      if (news) {
        this.announce();
      }
    }
  }

  private _onState(_: Stream, state: StreamState): void {
    if (state !== 'open' && this._rides) {
      this._rides = false;
      if (this.attended) {
        this.refresh();
      }
    }
  }

  /** Whether it is something else than what is known. */
  private _take(alerts: readonly IAlert[]): boolean {
    const news = !this.known || JSON.stringify(alerts) !== JSON.stringify(this.alerts);
    this.alerts = alerts;
    this.known = true;
    return news;
  }

  /** Whether the stream that is open now has told of them, and so tells of each change. */
  private _rides = false;
  /** How often it has. */
  private _frames = 0;
}
