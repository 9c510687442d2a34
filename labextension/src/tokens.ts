/** Constants and interfaces only: importing this file has no effect. */
import type { IDisposable } from '@lumino/disposable';

/** Name of the translation catalogue. */
export const DOMAIN = 'dllab_hub';

/** Ids of the plugins; the settings schema is named for the sidebar's. */
export const PluginIDs = {
  lab: 'dllab-hub:lab',
  sidebar: 'dllab-hub:sidebar',
  jobs: 'dllab-hub:jobs',
  notifications: 'dllab-hub:notifications',
  deployments: 'dllab-hub:deployments',
  endpoints: 'dllab-hub:endpoints',
  training: 'dllab-hub:training',
  history: 'dllab-hub:history',
  cells: 'dllab-hub:cells',
  launcher: 'dllab-hub:launcher',
  status: 'dllab-hub:status',
  idle: 'dllab-hub:idle'
} as const;

/** Commands of the palette. Those about one job take its `id` and ask for it when it is missing. */
export const CommandIDs = {
  open: 'dllab:open-sidebar',
  refresh: 'dllab:refresh',
  logs: 'dllab:open-logs',
  cancel: 'dllab:cancel-job',
  pause: 'dllab:pause-job',
  resume: 'dllab:resume-job',
  rerun: 'dllab:rerun-job',
  board: 'dllab:open-tensorboard',
  boards: 'dllab:open-tensorboards',
  train: 'dllab:new-training',
  history: 'dllab:open-history',
  compare: 'dllab:compare-jobs',
  copyCell: 'dllab:copy-job-to-cell',
  notices: 'dllab:open-notices',
  deploy: 'dllab:new-deployment',
  openDeployment: 'dllab:open-deployment',
  openEndpoint: 'dllab:open-endpoint',
  predict: 'dllab:predict',
  scale: 'dllab:scale-deployment',
  deleteDeployment: 'dllab:delete-deployment',
  landing: 'dllab:open-landing',
  ssh: 'dllab:copy-ssh',
  keep: 'dllab:keep-lab',
  release: 'dllab:release-gpus'
} as const;

/** One request to the lab's REST interface. */
export interface IRequest {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Values that are null are left out. */
  query?: Record<string, string | number | null>;
  /** Sent as JSON; text is taken to be JSON already. */
  body?: object | string;
  /** `text`: the answer as it came, instead of what its JSON says. */
  as?: 'text';
}

/** Sends a request to `dllab/api/<path>`; resolves to the decoded JSON or rejects with a LabError. */
export type Send = <T>(path: string, request?: IRequest) => Promise<T>;

/** What comes of a WebSocket. */
export interface IListener {
  /** It is open: something can be said. */
  opened?(): void;
  /** The JSON of a text frame. */
  message(frame: unknown): void;
  /** It has ended, or could not be opened. */
  closed(): void;
}

/** A WebSocket. Disposing it closes it, and no more is told then. */
export interface ISocket extends IDisposable {
  /** Say something, as JSON. What is said before it is open is lost. */
  send(frame: object): void;
}

/** Opens the WebSocket `dllab/api/<path>`. */
export type Open = (path: string, listener: IListener) => ISocket;

/** The whole address of `dllab/api/<path>`, for a link. */
export type Address = (path: string, query?: Record<string, string | number | null>) => string;
