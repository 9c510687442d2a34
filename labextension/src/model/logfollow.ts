import type { IDisposable } from '@lumino/disposable';
import type { ILogChunk } from '../specs';
import type { IFollowed, LogStream } from './logstream';

/** Milliseconds after which what was not told should have been. */
export const CHECK = 15_000;

/** Being told of the news of one log, while that is wanted and can be had. */
export class LogFollow {
  /**
   * @param _stream Null where there is none.
   * @param _where Which log.
   * @param _chunk Called with each piece that is new, and what was left out before it, as bytes.
   * @param _changed Called when being told begins or ends.
   */
  constructor(
    private readonly _stream: LogStream | null,
    private readonly _where: () => IFollowed,
    private readonly _chunk: (chunk: ILogChunk, skipped: number) => void,
    private readonly _changed: () => void
  ) {}

  /** Whether news are told now. */
  get isTold(): boolean {
    return this._following !== null && this._stream!.isOpen;
  }

  /** Follow it, or no longer. What is followed already goes on. */
  follow(wanted: boolean): void {
    if (!wanted) {
      this._following?.dispose();
      this._following = null;
      this._refused = false;
    } else if (this._following === null && this._stream !== null && !this._refused) {
      const where = this._where();
      this._following = this._stream.follow(where, {
        chunk: chunk => {
          this._last = Date.now();
          const known = where.offset();
          if (chunk.offset >= known) {
            this._chunk(chunk, chunk.offset - known);
          } else if (chunk.next_offset > known) {
            this.again();
          }
        },
        error: () => {
          this._following?.dispose();
          this._following = null;
          this._refused = true; // It is asked for, and the answer says why.
          this._changed();
        },
        changed: this._changed
      });
    }
  }

  /** Go on from the offset that is right now: something came by another way. */
  again(): void {
    if (this._following !== null) {
      if (this.isTold && Date.now() - this._last >= CHECK) {
        this._stream!.doubt();
      }
      const old = this._following;
      this._following = null;
      this.follow(true);
      old.dispose(); // Last, so that the connection stays.
    }
  }

  private _following: IDisposable | null = null;
  /** Whether the stream said that it cannot be followed. */
  private _refused = false;
  /** When something was told last, milliseconds since the epoch. */
  private _last = Date.now();
}
