import type { HistoryApi } from '../historyapi';
import { LabError } from '../errors';
import type { ILogMatch } from '../history';
import { Form } from './form';

/** Lines that are looked at together; more are found when somebody goes on. */
const LIMIT = 200;
/** Answers read in one go; the server looks for about a second for each. */
const ROUNDS = 30;

/** Looking for a text in all of a log. */
export class LogSearch extends Form {
  constructor(
    private readonly _api: Pick<HistoryApi, 'search'>,
    private readonly _id: string
  ) {
    super();
  }

  /** What is typed. */
  text = '';

  /** The lines that hold it, in the order of the log. */
  matches: readonly ILogMatch[] = [];

  /** Which of them is on show; -1 for none. */
  at = -1;

  /** Part of the log that was looked through, 0 to 1; null while nothing was looked for. */
  through: number | null = null;

  error: LabError | null = null;

  isRunning = false;

  /** Whether all of the log was looked through. */
  get isOver(): boolean {
    return this._next === null && this.through !== null;
  }

  get match(): ILogMatch | null {
    return this.matches[this.at] ?? null;
  }

  /** Type. What was found for something else is forgotten. */
  set(text: string): void {
    if (text !== this.text) {
      this.text = text;
      this.forget();
    }
  }

  /** Forget what was found: another log is on show. */
  forget(): void {
    this._search += 1;
    this.matches = [];
    this.at = -1;
    this.through = this._next = this.error = null;
    this.isRunning = false;
    this.announce();
  }

  /**
   * Go to the next line that holds the text, or to the one before; look for it first where that was not
   * done. At an end it goes on at the other one.
   */
  async go(step: 1 | -1, where: IWhere): Promise<void> {
    if (this.text === '' || this.isRunning) {
      return;
    }
    const isLast = step === 1 && this.at === this.matches.length - 1;
    if (this.through === null || (isLast && this._next !== null)) {
      const search = this._search;
      const before = this.at;
      await this._look(where);
      if (search !== this._search) {
        return; // Something else is looked for by now.
      }
      this.at = Math.min(before + 1, this.matches.length - 1);
    } else if (this.matches.length > 0) {
      this.at = (this.at + step + this.matches.length) % this.matches.length;
    }
    this.announce();
  }

  /** Look on until something more is found. */
  private async _look(where: IWhere): Promise<void> {
    const search = this._search;
    const known = this.matches.length;
    this.isRunning = true;
    this.error = null;
    this.announce();
    try {
      for (let round = 0; round < ROUNDS && this.matches.length === known; round++) {
        const offset = this._next ?? 0;
        const found = await this._api.search(this._id, this.text, {
          ...where,
          offset,
          limit: LIMIT
        });
        if (search !== this._search) {
          return;
        }
        this.matches = [...this.matches, ...found.matches];
        this._next = found.next_offset;
        this.through = found.size > 0 ? (found.next_offset ?? found.size) / found.size : 1;
        this.announce();
        if (found.next_offset === null) {
          break;
        }
      }
    } catch (reason) {
      if (search === this._search) {
        this.error = LabError.from(reason);
      }
    } finally {
      if (search === this._search) {
        this.isRunning = false;
      }
    }
  }

  private _next: number | null = null;
  /** Counts what was typed, so that a late answer is told apart. */
  private _search = 0;
}

/** Which log. */
export interface IWhere {
  replica: string | null;
  attempt: number | null;
}
