import { AccessApi } from './access';
import type { IAlertList } from './alertspecs';
import type { IGpuReport, IHost } from './gpuspecs';
import { HistoryApi } from './historyapi';
import { at } from './path';
import type { IIdle, ILabView, IRestart } from './labview';
import type {
  ICanary,
  IDeployment,
  IDeploymentPage,
  IDeploymentSpec,
  IModelPage,
  IModelVersion
} from './serving';
import type { IBoard, ICapacity, ICatalog, IEvent, IJob, IJobPage, ILogChunk } from './specs';
import type { Send } from './tokens';
import type { IPreflight, ITrainingSpec } from './trainspec';

/** Which piece of which log. */
export interface ILogQuery {
  /** Such as `worker-0`; null for all replicas, merged (of a deployment: its newest replica). */
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
  constructor(private readonly _send: Send) {
    this.history = new HistoryApi(_send);
    this.access = new AccessApi(_send);
  }

  /** What is kept and known of jobs. */
  readonly history: HistoryApi;

  /** Who may ask which deployment. */
  readonly access: AccessApi;

  catalog(): Promise<ICatalog> {
    return this._send('catalog');
  }

  /** What is free, and what a request for so many GPUs would meet; at the usual place for null. */
  capacity(gpus: number | null = null, target: string | null = null): Promise<ICapacity> {
    return this._send('capacity', { query: { gpus, target } });
  }

  gpus(): Promise<IGpuReport> {
    return this._send('gpus');
  }

  /** Let one's jobs use the GPUs of a lab of one's own, or no longer. */
  lend(lab: string, lend: boolean): Promise<ICapacity> {
    return this._send('gpus/lend', { method: 'PUT', body: { lab, lend } });
  }

  /** CPU, memory and disks of the machine or container. */
  host(): Promise<IHost> {
    return this._send('host');
  }

  alerts(): Promise<IAlertList> {
    return this._send('alerts');
  }

  /** Tell nobody of an alert for so many minutes. */
  async silence(id: string, minutes: number): Promise<void> {
    await this._send(at('alerts', id, 'silence'), { method: 'PUT', body: { minutes } });
  }

  async unsilence(id: string): Promise<void> {
    await this._send(at('alerts', id, 'silence'), { method: 'DELETE' });
  }

  jobs(limit: number, next: string | null = null): Promise<IJobPage> {
    return this._send('jobs', { query: { limit, next } });
  }

  job(id: string): Promise<IJob> {
    return this._send(at('jobs', id));
  }

  submit(spec: ITrainingSpec): Promise<IJob> {
    return this._send('jobs', { method: 'POST', body: spec });
  }

  cancel(id: string): Promise<IJob> {
    return this._send(at('jobs', id, 'cancel'), { method: 'POST' });
  }

  /** Have it save, end it and give its GPUs back. */
  pause(id: string): Promise<IJob> {
    return this._send(at('jobs', id, 'pause'), { method: 'POST' });
  }

  /** Go on from its last checkpoint. */
  resume(id: string): Promise<IJob> {
    return this._send(at('jobs', id, 'resume'), { method: 'POST' });
  }

  /** Submit the same wish again, with other values for some of its fields. */
  rerun(id: string, changes: Partial<ITrainingSpec>): Promise<IJob> {
    return this._send(at('jobs', id, 'rerun'), { method: 'POST', body: changes });
  }

  /** Look for what would make a job fail at once. `deep`: its imports are tried for real. */
  preflight(spec: ITrainingSpec, deep: boolean): Promise<IPreflight> {
    const query = { deep: deep ? 1 : null };
    return this._send('jobs/preflight', { method: 'POST', body: spec, query });
  }

  /** What happened to a job, oldest first. */
  async jobEvents(id: string): Promise<IEvent[]> {
    return (await this._send<{ events: IEvent[] }>(at('jobs', id, 'events'))).events;
  }

  logs(id: string, query: ILogQuery): Promise<ILogChunk> {
    return this._send(at('jobs', id, 'logs'), { query: { ...query } });
  }

  async boards(): Promise<IBoard[]> {
    return (await this._send<{ tensorboards: IBoard[] }>('tensorboards')).tensorboards;
  }

  /** Who one is here, and whether models are served. */
  status(): Promise<{ user: string; serves: boolean }> {
    return this._send('status');
  }

  /** What was picked for this lab, and the ways into it. */
  lab(): Promise<ILabView> {
    return this._send('lab');
  }

  idle(): Promise<IIdle> {
    return this._send('idle');
  }

  /** Say that somebody is there. */
  keepIdle(): Promise<IIdle> {
    return this._send('idle/keep', { method: 'POST' });
  }

  /** Have this lab restarted on the CPU. */
  releaseGpus(): Promise<IRestart> {
    return this._send('idle/release-gpus', { method: 'POST' });
  }

  /** Have this lab restarted with so many GPUs. */
  restartLab(gpus: number): Promise<IRestart> {
    return this._send('idle/restart', { method: 'POST', body: { gpus } });
  }

  /** What became of the last restart of this lab. */
  restarted(): Promise<IRestart> {
    return this._send('idle/restart');
  }

  models(limit: number, next: string | null = null): Promise<IModelPage> {
    return this._send('models', { query: { limit, next } });
  }

  /** Newest first. */
  async versions(model: string): Promise<IModelVersion[]> {
    const path = at('models', model, 'versions');
    return (await this._send<{ versions: IModelVersion[] }>(path)).versions;
  }

  /** Keep a file with a model of the lab, at a path below its root, as the model's next version. */
  publishPath(model: string, path: string): Promise<IModelVersion> {
    return this._send(at('models', model, 'versions'), { method: 'POST', body: { path } });
  }

  deployments(limit: number, next: string | null = null): Promise<IDeploymentPage> {
    return this._send('deployments', { query: { limit, next } });
  }

  deployment(name: string): Promise<IDeployment> {
    return this._send(at('deployments', name));
  }

  deploy(spec: IDeploymentSpec): Promise<IDeployment> {
    return this._send('deployments', { method: 'POST', body: spec });
  }

  scale(name: string, replicas: number): Promise<IDeployment> {
    return this._send(at('deployments', name, 'scale'), { method: 'POST', body: { replicas } });
  }

  /** Have another version answer a part of the requests, or another part. */
  canary(name: string, canary: ICanary): Promise<IDeployment> {
    return this._send(at('deployments', name, 'canary'), { method: 'POST', body: canary });
  }

  /** Have the canary answer everything. */
  promote(name: string): Promise<IDeployment> {
    return this._send(at('deployments', name, 'promote'), { method: 'POST', body: {} });
  }

  /** Have the canary answer nothing more; without one, serve what was served before. */
  rollback(name: string): Promise<IDeployment> {
    return this._send(at('deployments', name, 'rollback'), { method: 'POST', body: {} });
  }

  async deleteDeployment(name: string): Promise<void> {
    await this._send(at('deployments', name), { method: 'DELETE' });
  }

  /** The log of a replica or of the `balancer`; these have no attempts. */
  deploymentLogs(name: string, query: ILogQuery): Promise<ILogChunk> {
    const { replica, offset, limit } = query;
    return this._send(at('deployments', name, 'logs'), { query: { replica, offset, limit } });
  }

  /** Oldest first. */
  async deploymentEvents(name: string): Promise<IEvent[]> {
    return (await this._send<{ events: IEvent[] }>(at('deployments', name, 'events'))).events;
  }

  /**
   * The answer of the model, or of one version of it, to a V1 or V2 request; both are JSON text.
   * The owner is null where it is one's own.
   */
  predict(
    name: string,
    text: string,
    version: number | null = null,
    owner: string | null = null
  ): Promise<string> {
    const path = at('deployments', name, 'predict');
    return this._send(path, { method: 'POST', body: text, query: { version, owner }, as: 'text' });
  }
}
