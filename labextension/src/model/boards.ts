import type { LabApi } from '../api';
import type { IBoard, IJob } from '../specs';
import { Live } from './live';

/** The TensorBoards that can be opened. */
export class BoardsModel extends Live {
  constructor(private readonly _api: LabApi) {
    super('boards');
  }

  boards: readonly IBoard[] = [];

  /** The board that shows this job: one of its own, or one of a directory above its event files. */
  of(job: IJob): IBoard | null {
    const fits = this.boards.filter(({ logdir }) => holds(logdir, job.tensorboard));
    fits.sort((a, b) => b.logdir.length - a.logdir.length);
    return fits[0] ?? null;
  }

  protected async read(): Promise<boolean> {
    const before = JSON.stringify(this.boards);
    this.boards = await this._api.boards();
    return before !== JSON.stringify(this.boards);
  }

  protected pace(): number | null {
    return this.watched ? 10_000 : null;
  }
}

/** Address that shows this job on a board, or null when the board's own is not one to open. */
export function boardLink(board: IBoard, job: IJob, base: string): string | null {
  const url = addressOf(board, base);
  if (url !== null && trimmed(board.logdir) !== trimmed(job.tensorboard)) {
    // The board shows more than this job: TensorBoard reads which runs to show from its address.
    url.searchParams.set('runFilter', job.id);
    url.hash = 'timeseries';
  }
  return url?.href ?? null;
}

/** Address of the board that shows the most, or null when there is none to open. */
export function boardsLink(boards: readonly IBoard[], base: string): string | null {
  const widest = [...boards].sort((a, b) => a.logdir.length - b.logdir.length)[0];
  return widest === undefined ? null : (addressOf(widest, base)?.href ?? null);
}

/** What a board says of its address may be no page. */
function addressOf(board: IBoard, base: string): URL | null {
  const url = new URL(board.url, base);
  return /^https?:$/.test(url.protocol) ? url : null;
}

function holds(directory: string, path: string): boolean {
  return path !== '' && `${trimmed(path)}/`.startsWith(`${trimmed(directory)}/`);
}

function trimmed(path: string): string {
  return path.replace(/\/+$/, '');
}
