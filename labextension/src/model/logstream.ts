import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { LabError } from '../errors';
import type { ILogChunk } from '../specs';
import type { Stream } from './stream';

/** Which log, and from where on. */
export interface IFollowed {
  job: string;
  /** Such as `worker-0`; null for all, merged. */
  replica: string | null;
  attempt: number | null;
  /** Asked again when the connection was lost. */
  offset(): number;
}

/** What is told of a log that is followed. */
export interface ILogListener {
  chunk(chunk: ILogChunk): void;
  /** It cannot be followed. */
  error(error: LabError): void;
  /** The connection was opened or lost. */
  changed(): void;
}

/** The logs of all tabs by one WebSocket, which is open while a log is followed. */
export class LogStream {
  constructor(private readonly _stream: Stream) {
    _stream.frames.connect((_, frame) => this._onFrame(frame as IFrame));
    _stream.stateChanged.connect((_, state) => {
      if (state === 'open') {
        for (const [key, { where }] of this._follows) {
          this._say(key, where);
        }
      }
      for (const { listener } of [...this._follows.values()]) {
        listener.changed();
      }
    });
  }

  /** Whether what is written is told. */
  get isOpen(): boolean {
    return this._stream.state === 'open';
  }

  /** Follow a log until the result is disposed. */
  follow(where: IFollowed, listener: ILogListener): IDisposable {
    const key = String((this._keys += 1));
    this._follows.set(key, { where, listener });
    const wanting = this._stream.want();
    if (this.isOpen) {
      this._say(key, where);
    }
    return new DisposableDelegate(() => {
      if (this._follows.delete(key) && this.isOpen) {
        this._stream.send({ unfollow: key });
      }
      wanting.dispose();
    });
  }

  /** Something was written and not told: the connection is dead, whatever it looks like. */
  doubt(): void {
    this._stream.doubt();
  }

  private _say(key: string, { offset, ...where }: IFollowed): void {
    this._stream.send({ follow: key, ...where, offset: offset() });
  }

  private _onFrame(frame: IFrame): void {
    const listener = this._follows.get(frame?.key ?? '')?.listener;
    if (frame?.chunk !== undefined) {
      listener?.chunk(frame.chunk);
    } else if (frame?.error !== undefined) {
      listener?.error(LabError.fromWire(0, frame) ?? new LabError(String(frame.error)));
    }
  }

  private readonly _follows = new Map<string, { where: IFollowed; listener: ILogListener }>();
  private _keys = 0;
}

/** What the stream tells; later servers may tell more. */
type IFrame = { key?: string; chunk?: ILogChunk; error?: unknown; end?: true } | null;
