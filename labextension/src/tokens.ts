/** Constants and interfaces only: importing this file has no effect. */

/** Name of the translation catalogue. */
export const DOMAIN = 'dllab_hub';

/** Ids of the plugins; the settings schema is named for the sidebar's. */
export const PluginIDs = {
  lab: 'dllab-hub:lab',
  sidebar: 'dllab-hub:sidebar',
  jobs: 'dllab-hub:jobs',
  notifications: 'dllab-hub:notifications',
  deployments: 'dllab-hub:deployments',
  training: 'dllab-hub:training',
  launcher: 'dllab-hub:launcher',
  status: 'dllab-hub:status'
} as const;

/** Commands of the palette. Those about one job take its `id` and ask for it when it is missing. */
export const CommandIDs = {
  open: 'dllab:open-sidebar',
  refresh: 'dllab:refresh',
  logs: 'dllab:open-logs',
  cancel: 'dllab:cancel-job',
  board: 'dllab:open-tensorboard',
  train: 'dllab:new-training',
  deploy: 'dllab:new-deployment',
  openDeployment: 'dllab:open-deployment',
  predict: 'dllab:predict',
  scale: 'dllab:scale-deployment',
  deleteDeployment: 'dllab:delete-deployment'
} as const;

/** One request to the lab's REST interface. */
export interface IRequest {
  method?: 'GET' | 'POST';
  /** Values that are null are left out. */
  query?: Record<string, string | number | null>;
}

/** Sends a request to `dllab/api/<path>`; resolves to the decoded JSON or rejects with a LabError. */
export type Send = <T>(path: string, request?: IRequest) => Promise<T>;
