import type { IBoard, IGpuReport, IJob, IJobPage, ILogChunk } from './specs';
import type { Send } from './tokens';

/** Which piece of which log. */
export interface ILogQuery {
  /** Such as `worker-0`; null for all replicas, merged. */
  replica: string | null;
  /** From 1; null for the newest. */
  attempt: number | null;
  /** Negative counts from the end. */
  offset: number;
  /** Most bytes. */
  limit: number;
}

/** The lab's REST interface, typed. Every method rejects with a LabError. */
export class LabApi {
  constructor(private readonly _send: Send) {}

  gpus(): Promise<IGpuReport> {
    return this._send('gpus');
  }

  jobs(limit: number, next: string | null = null): Promise<IJobPage> {
    return this._send('jobs', { query: { limit, next } });
  }

  job(id: string): Promise<IJob> {
    return this._send(`jobs/${encodeURIComponent(id)}`);
  }

  cancel(id: string): Promise<IJob> {
    return this._send(`jobs/${encodeURIComponent(id)}/cancel`, { method: 'POST' });
  }

  logs(id: string, query: ILogQuery): Promise<ILogChunk> {
    return this._send(`jobs/${encodeURIComponent(id)}/logs`, { query: { ...query } });
  }

  async boards(): Promise<IBoard[]> {
    return (await this._send<{ tensorboards: IBoard[] }>('tensorboards')).tensorboards;
  }
}
