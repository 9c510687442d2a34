import { DisposableDelegate, type IDisposable } from '@lumino/disposable';
import type { LabApi } from '../api';
import { size } from '../format';
import type { ILogChunk } from '../specs';
import { Live } from './live';
import { LogBuffer, MAX_TEXT } from './logbuffer';
import { CHECK, LogFollow } from './logfollow';
import type { LogStream } from './logstream';

/** Bytes before the end that the first look shows, and that one look further back adds. */
const TAIL = 65_536;
/** Most bytes of one answer. */
const LIMIT = 262_144;
/** Answers read in one go while catching up. */
const ROUNDS = 4;

/**
 * The log of one job: its end, followed live by byte offsets, or a place in it that somebody looks at.
 *
 * News are told by a stream where there is one; while it is broken they are asked for.
 */
export class LogModel extends Live {
  constructor(
    private readonly _api: Pick<LabApi, 'logs'>,
    readonly id: string,
    stream: LogStream | null = null
  ) {
    super(`log:${id}`);
    this._follow = new LogFollow(
      stream,
      () => ({ job: id, ...this._where, offset: () => this.chunk?.next_offset ?? -TAIL }),
      (chunk, skipped) => this._onTold(chunk, skipped),
      () => this.refresh()
    );
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

  /** Whether what is on show is a place before the end: news are not shown then. */
  isAway = false;

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
    if (!this.hasEarlier) {
      return;
    }
    const asked = this._choice;
    const offset = Math.max(0, this.first - TAIL);
    const chunk = await this._piece(offset, this.first - offset);
    if (asked === this._choice && chunk.next_offset === this.first) {
      this.first = chunk.offset;
      this.buffer.unshift(chunk.text);
      this.announce();
    }
  }

  /** Add the text after the one on show; at the end it is followed again. Rejects with a LabError. */
  async showLater(): Promise<void> {
    const asked = this._choice;
    if (this.isAway && this.chunk !== null) {
      const { text, ...chunk } = await this._piece(this.chunk.next_offset, TAIL);
      if (asked === this._choice) {
        this.chunk = chunk;
        this.buffer.push(text);
        this.isAway = chunk.next_offset < chunk.size;
        this.refresh();
        this.announce();
      }
    }
  }

  /**
   * Show what is around a line. Resolves to how many characters of the text on show stand before it,
   * or to null when something else was chosen meanwhile. Rejects with a LabError.
   */
  async showAround(offset: number): Promise<number | null> {
    this._choice += 1;
    const asked = this._choice;
    // The merged view's offsets can only be handed back.
    const start = this.replica === null ? offset : Math.max(0, offset - TAIL / 2);
    const before = start < offset ? await this._piece(start, offset - start) : null;
    const { text, ...chunk } = await this._piece(offset, TAIL);
    if (asked !== this._choice) {
      return null;
    }
    this.buffer.clear();
    this.buffer.push(before?.text ?? '');
    const place = this.buffer.length;
    this.buffer.push(text);
    this.first = before?.offset ?? chunk.offset;
    this.chunk = chunk;
    this.isAway = !chunk.complete;
    this._look();
    this.setPace();
    this.announce();
    return place;
  }

  /** Go back to the end. */
  showEnd(): void {
    if (this.isAway) {
      this._restart();
    }
  }

  override watch(): IDisposable {
    const watching = super.watch();
    this._look();
    return new DisposableDelegate(() => {
      watching.dispose();
      this._look();
    });
  }

  protected async read(): Promise<boolean> {
    let news = false;
    for (let round = 0; round < ROUNDS && this._newest > 0 && !this.isAway; round++) {
      const asked = this._choice;
      const offset = this.chunk?.next_offset ?? -TAIL;
      const chunk = await this._piece(offset, LIMIT);
      if (asked !== this._choice) {
        round = -1; // Another log was chosen while this answer was on its way.
        continue;
      }
      if (this.chunk !== null && offset !== this.chunk.next_offset) {
        continue; // The same was told meanwhile.
      }
      news = this._take(chunk) || news;
      if (chunk.text) {
        this._follow.again();
      }
      if (chunk.next_offset >= chunk.size || chunk.next_offset === chunk.offset) {
        break;
      }
    }
    this._look();
    return news;
  }

  protected pace(): number | null {
    if (!this.watched || this._newest === 0 || this.chunk?.complete || this.isAway) {
      return null;
    }
    return this._follow.isTold ? CHECK : 1000;
  }

  private _piece(offset: number, limit: number): Promise<ILogChunk> {
    return this._api.logs(this.id, { ...this._where, offset, limit });
  }

  private get _where(): { replica: string | null; attempt: number | null } {
    return { replica: this.replica, attempt: this.attempt ?? this._newest };
  }

  /** Be told of news, or no longer, as things are now. */
  private _look(): void {
    const wanted = this.watched && this.chunk?.complete === false && !this.isAway;
    this._follow.follow(wanted);
  }

  private _onTold({ text, ...chunk }: ILogChunk, skipped: number): void {
    if (skipped > 0) {
      // It is written faster than it can be sent.
      this.buffer.push(`\n⋯ ${chunk.replica ? size(skipped) : ''} ⋯\n`);
    }
    this.chunk = chunk;
    this.buffer.push(text);
    if (chunk.complete) {
      this._look();
      this.setPace();
    }
    this.announce();
  }

  private _take({ text, ...chunk }: ILogChunk): boolean {
    const before = this.chunk;
    if (before === null) {
      this.first = chunk.offset;
    }
    if (chunk.size - chunk.next_offset > MAX_TEXT) {
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
    this._follow.follow(false);
    this.isAway = false;
    this.chunk = null;
    this.first = 0;
    this.buffer.clear();
    this.announce();
    void (this.watched && this.refresh());
  }

  private _newest = 0;
  /** Counts the choices, so that a late answer to an old one is told apart. */
  private _choice = 0;
  private readonly _follow: LogFollow;
}
