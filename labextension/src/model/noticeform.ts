import type { HistoryApi } from '../historyapi';
import { LabError } from '../errors';
import type { INoticeSettings, NoticeKind } from '../history';
import { Live } from './live';

export const KINDS: NoticeKind[] = ['succeeded', 'failed', 'stalled', 'restarted', 'paused'];

/** How a person is told of their jobs, as they type it. */
export interface INoticeDraft {
  webhook: string;
  email: string;
  on: readonly NoticeKind[];
}

/** How a person is told of what became of their jobs: what is set, and what is typed. */
export class NoticeForm extends Live {
  constructor(private readonly _api: Pick<HistoryApi, 'notices' | 'setNotices' | 'testNotices'>) {
    super('notices');
  }

  /** What is set; null until the first answer. */
  settings: INoticeSettings | null = null;

  /** The secret, while it can be copied: it is told once. */
  secret = '';

  /** What went wrong, and the field that it is about. */
  failure: LabError | null = null;

  step: 'saving' | 'testing' | null = null;

  get draft(): INoticeDraft {
    const { webhook, email, on } = this.settings ?? { webhook: null, email: null, on: [] };
    return this._draft ?? { webhook: webhook ?? '', email: email ?? '', on };
  }

  /** Whether something is typed that is not set. */
  get isChanged(): boolean {
    const { settings, draft } = this;
    return (
      settings !== null &&
      (draft.webhook.trim() !== (settings.webhook ?? '') ||
        draft.email.trim() !== (settings.email ?? '') ||
        KINDS.some(kind => draft.on.includes(kind) !== settings.on.includes(kind)))
    );
  }

  set(change: Partial<INoticeDraft>): void {
    this._draft = { ...this.draft, ...change };
    this.failure = null;
    this.announce();
  }

  /** Set what is typed. @param secret A new one is made when it is true. */
  save(secret: boolean = false): Promise<void> {
    const { draft } = this;
    return this._do('saving', async () => {
      const settings = await this._api.setNotices({
        webhook: draft.webhook.trim() || null,
        secret: secret ? aSecret() : null,
        email: draft.email.trim() || null,
        on: KINDS.filter(kind => draft.on.includes(kind))
      });
      this.secret = settings.secret ?? this.secret;
      this._draft = null;
      return settings;
    });
  }

  /** Send a test to what is set. */
  test(): Promise<void> {
    return this._do('testing', () => this._api.testNotices());
  }

  protected async read(): Promise<boolean> {
    const before = JSON.stringify(this.settings);
    this.settings = await this._api.notices();
    return before !== JSON.stringify(this.settings);
  }

  protected pace(): number | null {
    const waits = this.settings?.deliveries.some(({ state }) => state === 'retrying') ?? false;
    return this.watched ? (waits ? 3000 : 15_000) : null;
  }

  private async _do(
    step: 'saving' | 'testing',
    execute: () => Promise<INoticeSettings>
  ): Promise<void> {
    if (this.step !== null) {
      return;
    }
    this.step = step;
    this.failure = null;
    this.announce();
    try {
      this.settings = await execute();
    } catch (reason) {
      this.failure = LabError.from(reason);
    } finally {
      this.step = null;
      this.setPace();
      this.announce();
    }
  }

  private _draft: INoticeDraft | null = null;
}

/** 32 random bytes as text. */
function aSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  return [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('');
}
