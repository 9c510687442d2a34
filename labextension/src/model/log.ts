import type { LabApi } from '../api';
import type { ILogChunk } from '../specs';
import { Live } from './live';
import { LogBuffer, MAX_TEXT } from './logbuffer';

/** Bytes before the end that the first look shows, and that one look further back adds. */
const TAIL = 65_536;
/** Most bytes of one answer. */
const LIMIT = 262_144;
/** Answers read in one go while catching up. */
const ROUNDS = 4;

/** The log of one job: its end, followed live by byte offsets. */
export class LogModel extends Live {
  constructor(
    private readonly _api: Pick<LabApi, 'logs'>,
    readonly id: string
  ) {
    super(`log:${id}`);
  }

  readonly buffer = new LogBuffer();

  /** What is on show, or null before the first answer. */
  chunk: Omit<ILogChunk, 'text'> | null = null;

  /** Such as `worker-0`; null for all, merged. */
  replica: string | null = null;

  /** From 1; null for the newest, also when a newer one begins. */
  attempt: number | null = null;

  /** The newest attempt there is; nothing is read before the first. */
  get newest(): number {
    return this._newest;
  }
  set newest(attempt: number) {
    if (attempt !== this._newest) {
      this._newest = attempt;
      if (this.attempt === null) {
        this._restart();
      }
    }
  }

  /** Where the text on show begins, bytes. */
  first = 0;

  /** Whether text before the one on show can be added. The merged view's offsets are opaque. */
  get hasEarlier(): boolean {
    const { buffer, chunk, first } = this;
    const fits = !buffer.dropped && buffer.length + TAIL <= MAX_TEXT;
    return chunk !== null && chunk.replica !== '' && first > 0 && fits;
  }

  /** Show another log. */
  choose(replica: string | null, attempt: number | null): void {
    if (replica !== this.replica || attempt !== this.attempt) {
      this.replica = replica;
      this.attempt = attempt;
      this._restart();
    }
  }

  /** Add the text before the one on show. Rejects with a LabError. */
  async showEarlier(): Promise<void> {
    const asked = this._choice;
    const offset = Math.max(0, this.first - TAIL);
    if (!this.hasEarlier) {
      return;
    }
    const chunk = await this._api.logs(this.id, {
      ...this._where,
      offset,
      limit: this.first - offset
    });
    if (asked === this._choice && chunk.next_offset === this.first) {
      this.first = chunk.offset;
      this.buffer.unshift(chunk.text);
      this.announce();
    }
  }

  protected async read(): Promise<boolean> {
    let news = false;
    for (let round = 0; round < ROUNDS && this._newest > 0; round++) {
      const asked = this._choice;
      const offset = this.chunk?.next_offset ?? -TAIL;
      const chunk = await this._api.logs(this.id, { ...this._where, offset, limit: LIMIT });
      if (asked !== this._choice) {
        round = -1; // Another log was chosen while this answer was on its way.
        continue;
      }
      news = this._take(chunk) || news;
      if (chunk.next_offset >= chunk.size || chunk.next_offset === chunk.offset) {
        break;
      }
    }
    return news;
  }

  protected pace(): number | null {
    return this.watched && this._newest > 0 && !this.chunk?.complete ? 1000 : null;
  }

  private get _where(): { replica: string | null; attempt: number | null } {
    return { replica: this.replica, attempt: this.attempt ?? this._newest };
  }

  private _take({ text, ...chunk }: ILogChunk): boolean {
    const before = this.chunk;
    const behind = chunk.size - chunk.next_offset;
    if (before === null) {
      this.first = chunk.offset;
    }
    if (behind > MAX_TEXT) {
      // It is written faster than anybody reads: go on at its end.
      this.buffer.clear();
      this.chunk = null;
      return false;
    }
    this.chunk = chunk;
    if (text) {
      this.buffer.push(text);
    }
    return text !== '' || before === null || before.complete !== chunk.complete;
  }

  private _restart(): void {
    this._choice += 1;
    this.chunk = null;
    this.first = 0;
    this.buffer.clear();
    this.announce();
    if (this.watched) {
      this.refresh();
    }
  }

  private _newest = 0;
  /** Counts the choices, so that a late answer to an old one is told apart. */
  private _choice = 0;
}
