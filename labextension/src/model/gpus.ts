import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import type { LabApi } from '../api';
import type { IGpuReport } from '../gpuspecs';
import { GpuHistory, type IPoint, type ISample } from './history';
import { Live } from './live';
import type { Stream, StreamState } from './stream';

/** Milliseconds between two questions while the stream cannot be had. */
export const PACE = 2000;

/**
 * The GPUs of the machine, and the last minutes of their utilization.
 *
 * They come by one stream, which is open while somebody watches. While it cannot be opened they are
 * asked for instead, and `asks` says so.
 */
export class GpusModel extends Live {
  constructor(
    private readonly _api: LabApi,
    private readonly _stream: Stream
  ) {
    super('gpus');
    _stream.frames.connect((_, frame) => this._onFrame(frame as IFrame));
    _stream.stateChanged.connect(this._onState, this);
  }

  report: IGpuReport | null = null;

  /** Who looks; empty while it is not known. */
  get user(): string {
    return this._user;
  }

  set user(user: string) {
    this._user = user;
    this.announce();
  }

  /** Id of the lab that shows the page; empty while it is not known, and where it is none. */
  get lab(): string {
    return this._lab;
  }

  set lab(lab: string) {
    this._lab = lab;
    this.announce();
  }

  /** Whether GPUs are asked for because no stream can be had. */
  get asks(): boolean {
    return this.watched && this._stream.state === 'broken';
  }

  /** The last minutes of one GPU, oldest first. It survives closing the panel, with a gap. */
  history(uuid: string): readonly IPoint[] {
    return this._history.of(uuid);
  }

  /** Let one's jobs use the GPUs of a lab of one's own, or no longer. */
  async lend(lab: string, lend: boolean): Promise<void> {
    await this._api.lend(lab, lend);
    this.refresh();
  }

  override dispose(): void {
    this._stream.stateChanged.disconnect(this._onState, this);
    super.dispose();
  }

  override watch(): IDisposable {
    const watching = super.watch(); // The first picture does not wait for the stream.
    const wanting = this._stream.want();
    return new DisposableDelegate(() => {
      watching.dispose();
      wanting.dispose();
    });
  }

  override refresh(): void {
    this._stream.retry();
    super.refresh();
  }

  protected async read(): Promise<boolean> {
    return this._take(await this._api.gpus());
  }

  protected pace(): number | null {
    return this.asks ? PACE : null;
  }

  private _onFrame(frame: IFrame): void {
    if (frame?.type === 'history') {
      frame.samples.forEach(({ time, gpus }) => this._history.add(time, gpus));
    } else if (frame?.type === 'gpus') {
      const news = this._take(frame.report) || this.error !== null;
      this.error = null;
      if (news) {
        this.announce();
      }
    }
  }

  private _onState(_: Stream, state: StreamState): void {
    if (state === 'broken' && this.watched) {
      super.refresh();
      this.announce();
    } else {
      this.setPace();
    }
  }

  /** Whether it is something else than what is known. */
  private _take(report: IGpuReport): boolean {
    const before = this.report;
    if (before !== null && before.time === report.time && before.state === report.state) {
      return false;
    }
    this.report = report;
    this._history.add(report.time, report.gpus);
    return true;
  }

  private readonly _history = new GpuHistory();
  private _user = '';
  private _lab = '';
}

/** What the stream tells; later servers may tell more. */
type IFrame =
  | null
  | { type: 'history'; samples: { time: number; gpus: ISample[] }[] }
  | { type: 'gpus'; report: IGpuReport };
