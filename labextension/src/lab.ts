import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { Token } from '@lumino/coreutils';
import { LabApi } from './api';
import { BoardsModel } from './model/boards';
import { DeploymentsModel } from './model/deployments';
import { GpusModel } from './model/gpus';
import { JobsModel } from './model/jobs';
import { LogStream } from './model/logstream';
import { ModelsModel } from './model/models';
import { Stream } from './model/stream';
import { addresser, sender } from './request';
import { opener } from './stream';
import { type Address, DOMAIN, PluginIDs } from './tokens';

/** The one connection to the lab that all parts of the page share. */
export interface ILab {
  readonly api: LabApi;
  readonly gpus: GpusModel;
  readonly jobs: JobsModel;
  readonly boards: BoardsModel;
  readonly models: ModelsModel;
  readonly deployments: DeploymentsModel;
  /** The logs of jobs as they are written. */
  readonly logs: LogStream;
  readonly address: Address;
  readonly trans: TranslationBundle;
}

export const ILab = new Token<ILab>(
  'dllab-hub:ILab',
  'GPUs, training jobs, models and deployments of the lab, kept up to date while somebody watches them.'
);

export const labPlugin: JupyterFrontEndPlugin<ILab> = {
  id: PluginIDs.lab,
  description: 'Provides the connection to the lab: its API and live models.',
  autoStart: true,
  provides: ILab,
  optional: [ITranslator],
  activate: (app, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const { serverSettings } = app.serviceManager;
    const api = new LabApi(sender(serverSettings, trans));
    return {
      api,
      gpus: new GpusModel(api, new Stream(opener(serverSettings), 'gpus/stream')),
      jobs: new JobsModel(api),
      boards: new BoardsModel(api),
      models: new ModelsModel(api),
      deployments: new DeploymentsModel(api),
      logs: new LogStream(new Stream(opener(serverSettings), 'logs/stream', document, null)),
      address: addresser(serverSettings),
      trans
    };
  }
};
