import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { Token } from '@lumino/coreutils';
import { LabApi } from './api';
import { insist } from './insist';
import { AlertsModel } from './model/alerts';
import { BoardsModel } from './model/boards';
import { DeploymentsModel } from './model/deployments';
import { EndpointsModel } from './model/endpoints';
import { GpusModel } from './model/gpus';
import { HostModel } from './model/host';
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
  readonly alerts: AlertsModel;
  readonly host: HostModel;
  readonly jobs: JobsModel;
  readonly boards: BoardsModel;
  readonly models: ModelsModel;
  readonly deployments: DeploymentsModel;
  /** What others have opened to this person. */
  readonly endpoints: EndpointsModel;
  /** The logs of jobs as they are written. */
  readonly logs: LogStream;
  readonly address: Address;
  /** Resolves once it is known who one is here. */
  readonly user: Promise<string>;
  /** Resolves once it is known that no model can be served here; else never. */
  readonly servesNothing: Promise<void>;
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
    const models = new ModelsModel(api);
    const deployments = new DeploymentsModel(api);
    const stream = new Stream(opener(serverSettings), 'gpus/stream');
    const gpus = new GpusModel(api, stream);
    const status = insist(() => api.status());
    const user = status.then(found => {
      gpus.user = found?.user ?? '';
      return gpus.user;
    });
    const endpoints = new EndpointsModel(api.access, user);
    const servesNothing = new Promise<void>(resolve => {
      void status.then(found => {
        if (found?.serves === false) {
          models.dispose();
          deployments.dispose();
          endpoints.dispose();
          resolve();
        }
      });
    });
    void insist(() => api.lab()).then(found => {
      gpus.lab = found?.id ?? ''; // Without a hub there is no such lab.
    });
    return {
      api,
      gpus,
      alerts: new AlertsModel(api, stream),
      host: new HostModel(api),
      jobs: new JobsModel(api),
      boards: new BoardsModel(api),
      models,
      deployments,
      endpoints,
      logs: new LogStream(new Stream(opener(serverSettings), 'logs/stream', document, null)),
      address: addresser(serverSettings),
      user,
      servesNothing,
      trans
    };
  }
};
