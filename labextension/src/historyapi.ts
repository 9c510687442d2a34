import { at } from './path';
import type {
  CurveKind,
  IAnnotation,
  IComparison,
  ICurves,
  IImported,
  IJobFilter,
  IJobRecord,
  ILogMatches,
  INoticeSettings,
  INoticeWish,
  IQuote,
  IRecordPage,
  IStack
} from './history';
import type { IJob, IJobPage } from './specs';
import type { Send } from './tokens';
import type { ITrainingSpec } from './trainspec';

/** The part of the REST interface about what is kept and known of jobs. Rejects with a LabError. */
export class HistoryApi {
  constructor(private readonly _send: Send) {}

  /** Newest first. */
  jobs(where: Partial<IJobFilter>, limit: number, next: string | null = null): Promise<IJobPage> {
    return this._send(`jobs${query({ ...where, limit, next })}`);
  }

  record(id: string): Promise<IJobRecord> {
    return this._send(at('jobs', id, 'record'));
  }

  annotate(id: string, annotation: IAnnotation): Promise<IJob> {
    return this._send(at('jobs', id), { method: 'PATCH', body: annotation });
  }

  /** Remove a job's files; its record stays. */
  removeFiles(id: string): Promise<IJob> {
    return this._send(at('jobs', id, 'files'), { method: 'DELETE' });
  }

  /** Remove a job's files and its record. */
  async remove(id: string): Promise<void> {
    await this._send(at('jobs', id), { method: 'DELETE' });
  }

  /** The first is what the others are compared with. */
  compare(ids: readonly string[]): Promise<IComparison> {
    return this._send(`jobs/compare${query({ id: ids })}`);
  }

  /** A page of an export. */
  records(
    where: Partial<IJobFilter>,
    limit: number,
    next: string | null = null
  ): Promise<IRecordPage> {
    return this._send(`jobs/records${query({ ...where, limit, next })}`);
  }

  /** Keep records of an export; those of jobs that are here already stay as they are. */
  takeIn(records: readonly object[]): Promise<IImported> {
    return this._send('jobs/records', { method: 'POST', body: { records } });
  }

  curves(id: string, kind: CurveKind): Promise<ICurves> {
    return this._send(at('jobs', id, 'metrics'), { query: { kind } });
  }

  /** Where each replica is just now. */
  async stacks(id: string): Promise<IStack[]> {
    return (await this._send<{ stacks: IStack[] }>(at('jobs', id, 'stacks'))).stacks;
  }

  /** Lines of a log that hold a text. */
  search(
    id: string,
    text: string,
    where: { replica: string | null; attempt: number | null; offset: number; limit: number }
  ): Promise<ILogMatches> {
    return this._send(at('jobs', id, 'logs', 'search'), { query: { text, ...where } });
  }

  /** What a wish would cost, and when it would start. */
  quote(spec: ITrainingSpec): Promise<IQuote> {
    return this._send('jobs/quote', { method: 'POST', body: spec });
  }

  notices(): Promise<INoticeSettings> {
    return this._send('notices');
  }

  setNotices(wish: INoticeWish): Promise<INoticeSettings> {
    return this._send('notices', { method: 'PUT', body: wish });
  }

  testNotices(): Promise<INoticeSettings> {
    return this._send('notices/test', { method: 'POST' });
  }
}

type Parameter = string | number | boolean | null | undefined | readonly string[];

/** Parameters that are set; a list repeats its key, true is 1. */
function query(values: Record<string, Parameter>): string {
  const found = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === false || value === '') {
      continue;
    }
    for (const one of Array.isArray(value) ? value : [value]) {
      found.append(key, one === true ? '1' : String(one));
    }
  }
  return found.size > 0 ? `?${found}` : '';
}
