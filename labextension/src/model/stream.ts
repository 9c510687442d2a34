import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';
import type { ISocket, Open } from '../tokens';

/** Milliseconds before the first new try; twice as many before each further one, up to the longest. */
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30_000;
/** Milliseconds without a frame after which a socket is taken for dead, also before its first one. */
const SILENCE = 15_000;

/**
 * `closed`: nobody wants it. `opening`: the first try. `open`: frames come. `broken`: it ended or could
 * not be opened, and is tried again.
 */
export type StreamState = 'closed' | 'opening' | 'open' | 'broken';

/** Whether the page can be seen at all. */
export interface IPage {
  readonly hidden: boolean;
  addEventListener(type: 'visibilitychange', listener: () => void): void;
  removeEventListener(type: 'visibilitychange', listener: () => void): void;
}

/**
 * One WebSocket for the whole page. It is open while somebody wants it and the page can be seen, and
 * opened again when it breaks: after growing pauses of random length, so that the pages of many people
 * do not all come back at once.
 */
export class Stream implements IDisposable {
  /** @param _silence Milliseconds without a frame after which it is dead; null: silence is usual. */
  constructor(
    private readonly _open: Open,
    private readonly _path: string,
    private readonly _page: IPage | null = typeof document === 'undefined' ? null : document,
    private readonly _silence: number | null = SILENCE
  ) {
    _page?.addEventListener('visibilitychange', this._update);
  }

  /** Each frame, decoded. */
  get frames(): ISignal<this, unknown> {
    return this._frames;
  }

  get stateChanged(): ISignal<this, StreamState> {
    return this._stateChanged;
  }

  get state(): StreamState {
    return this._state;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._page?.removeEventListener('visibilitychange', this._update);
      this._update();
      Signal.clearData(this);
    }
  }

  /** Keep it open until the result is disposed. */
  want(): IDisposable {
    this._wants += 1;
    this._update();
    return new DisposableDelegate(() => {
      this._wants -= 1;
      this._update();
    });
  }

  /** Say something, if it is open. */
  send(frame: object): void {
    this._socket?.send(frame);
  }

  /** What comes is not all there is: take the socket for dead. */
  doubt(): void {
    if (this._state === 'open') {
      this._break();
    }
  }

  /** Do not wait any longer for the next try. */
  retry(): void {
    if (this._state === 'broken' && this._socket === null) {
      this._connect();
    }
  }

  /** Open it or close it, as things are now. */
  private readonly _update = (): void => {
    const wanted = this._wants > 0 && !this._page?.hidden && !this._isDisposed;
    if (wanted && this._state === 'closed') {
      this._setState('opening');
      this._connect();
    } else if (!wanted && this._state !== 'closed') {
      this._hangUp();
      this._failures = 0;
      this._setState('closed');
    }
  };

  private _connect(): void {
    this._hangUp();
    this._listen();
    this._socket = this._open(this._path, {
      opened: () => {
        // Where silence is usual, it is open before anything comes.
        if (this._silence === null) {
          clearTimeout(this._timer);
          this._setState('open');
        }
      },
      message: frame => {
        this._failures = 0;
        this._listen();
        this._setState('open');
        this._frames.emit(frame);
      },
      closed: () => this._break()
    });
  }

  /** Wait for the next frame. */
  private _listen(): void {
    clearTimeout(this._timer);
    if (this._silence !== null || this._state !== 'open') {
      this._timer = setTimeout(() => this._break(), this._silence ?? SILENCE);
    }
  }

  private _break(): void {
    this._hangUp();
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this._failures);
    this._failures += 1;
    this._timer = setTimeout(() => this._connect(), wait * (0.5 + Math.random() / 2));
    this._setState('broken');
  }

  private _hangUp(): void {
    clearTimeout(this._timer);
    this._socket?.dispose();
    this._socket = null;
  }

  private _setState(state: StreamState): void {
    if (state !== this._state) {
      this._state = state;
      this._stateChanged.emit(state);
    }
  }

  private readonly _frames = new Signal<this, unknown>(this);
  private readonly _stateChanged = new Signal<this, StreamState>(this);
  private _state: StreamState = 'closed';
  private _socket: ISocket | null = null;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _wants = 0;
  /** Tries since the last frame. */
  private _failures = 0;
  private _isDisposed = false;
}
