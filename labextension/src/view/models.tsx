import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { DeploymentsModel } from '../model/deployments';
import type { EndpointsModel } from '../model/endpoints';
import type { ModelsModel } from '../model/models';
import { readyLabel, trafficFacts, versionFacts } from '../serveformat';
import type { IDeployment, IModel } from '../serving';
import {
  AddressButton,
  DeleteButton,
  type IDeploymentActions,
  PredictButton
} from './deployactions';
import { Facts, Notice, Trouble } from './notice';
import { Shared } from './shared';
import { ServingChip } from './state';

interface IModelsProps {
  models: ModelsModel;
  deployments: DeploymentsModel;
  endpoints: EndpointsModel;
  actions: IDeploymentActions;
  trans: TranslationBundle;
}

/** The person's deployments, the models that there are to deploy, and what others have opened. */
export function Models({ models, deployments, endpoints, actions, trans }: IModelsProps) {
  const served = deployments.deployments;
  const published = models.models;
  const working = models.error === null && deployments.error === null;
  const none = served?.length === 0 && published?.length === 0;
  // The lists come from one server: one trouble is told once.
  const lists = [deployments, models, endpoints];
  const trouble = lists.find(({ error }) => error !== null) ?? models;
  return (
    <div className="jp-dllab-Models">
      <Trouble model={trouble} trans={trans} />
      {working && (served === null || published === null) ? (
        <Notice message={trans.__('Reading…')} />
      ) : null}
      {working && none ? <FirstStep actions={actions} trans={trans} /> : null}
      {served !== null && served.length > 0 ? (
        <ul className="jp-dllab-list" aria-label={trans.__('Deployments')}>
          {served.map(deployment => (
            <DeploymentRow
              key={deployment.name}
              deployment={deployment}
              actions={actions}
              trans={trans}
            />
          ))}
        </ul>
      ) : null}
      {published !== null && published.length > 0 ? (
        <Published models={published} idle={served?.length === 0} actions={actions} trans={trans} />
      ) : null}
      <Shared endpoints={endpoints.endpoints ?? []} actions={actions} trans={trans} />
    </div>
  );
}

function FirstStep({ actions, trans }: { actions: IDeploymentActions; trans: TranslationBundle }) {
  return (
    <Notice
      message={trans.__(
        'No model yet. Serve the network “net” of your notebook, with one of its inputs “x” as example:'
      )}
    >
      <code className="jp-dllab-command">
        <span>%deploy net</span> <span>--example x</span> <span>--name digits</span>
      </code>
      <p className="jp-dllab-dim">{trans.__('Or serve a model file of your lab:')}</p>
      <button type="button" className="jp-dllab-Button" onClick={() => actions.create()}>
        {trans.__('New deployment…')}
      </button>
    </Notice>
  );
}

interface IDeploymentRowProps {
  deployment: IDeployment;
  actions: IDeploymentActions;
  trans: TranslationBundle;
}

function DeploymentRow(props: IDeploymentRowProps) {
  const { deployment, actions, trans } = props;
  const { name, reason, state, traffic } = deployment;
  return (
    <li className="jp-dllab-Job" data-deployment={name}>
      <div className="jp-dllab-Job-title">
        <button
          type="button"
          className="jp-dllab-Job-name"
          title={trans.__('Open %1', name)}
          onClick={() => actions.open(name)}
        >
          {name}
        </button>
        <ServingChip state={state} trans={trans} />
      </div>
      <Facts
        facts={[
          modelLabel(deployment, trans),
          readyLabel(deployment, trans),
          ...trafficFacts(traffic, trans)
        ]}
      />
      {reason && state !== 'READY' ? (
        <p className="jp-dllab-Job-reason" title={reason}>
          {reason}
        </p>
      ) : null}
      <div className="jp-dllab-actions">
        <PredictButton {...props} />
        <AddressButton {...props} />
        <DeleteButton {...props} />
      </div>
    </li>
  );
}

/** Which version of which model is served; a model of the same name goes without saying. */
export function modelLabel({ name, spec, version }: IDeployment, trans: TranslationBundle): string {
  return spec.model === name
    ? trans.__('version %1', version)
    : trans.__('%1, version %2', spec.model, version);
}

interface IPublishedProps {
  models: readonly IModel[];
  /** Whether nothing is served yet. */
  idle: boolean;
  actions: IDeploymentActions;
  trans: TranslationBundle;
}

function Published({ models, idle, actions, trans }: IPublishedProps) {
  const now = Date.now() / 1000;
  return (
    <section aria-label={trans.__('Published models')}>
      <h3 className="jp-dllab-Models-heading">{trans.__('Published models')}</h3>
      {idle ? (
        <p className="jp-dllab-Models-hint jp-dllab-dim">
          {trans.__('None of them is served. Deploy one to get its URL.')}
        </p>
      ) : null}
      <ul className="jp-dllab-list">
        {models.map(model => (
          <ModelRow key={model.name} model={model} now={now} actions={actions} trans={trans} />
        ))}
      </ul>
    </section>
  );
}

interface IModelRowProps {
  model: IModel;
  now: number;
  actions: IDeploymentActions;
  trans: TranslationBundle;
}

function ModelRow({ model, now, actions, trans }: IModelRowProps) {
  const { name, versions } = model;
  const [newest, ...older] = versions;
  return (
    <li className="jp-dllab-Job" data-model={name}>
      <div className="jp-dllab-Job-title">
        <span className="jp-dllab-Model-name" title={name}>
          {name}
        </span>
        <button
          type="button"
          className="jp-dllab-Button"
          aria-label={trans.__('Deploy %1', name)}
          onClick={() => actions.create(name)}
        >
          {trans.__('Deploy…')}
        </button>
      </div>
      {newest === undefined ? null : (
        <Facts
          facts={[trans.__('version %1', newest.version), ...versionFacts(newest, now, trans)]}
        />
      )}
      {older.length === 0 ? null : (
        <details className="jp-dllab-Model-older">
          <summary>{trans._n('%1 older version', '%1 older versions', older.length)}</summary>
          {older.map(version => (
            <Facts
              key={version.version}
              facts={[
                trans.__('version %1', version.version),
                ...versionFacts(version, now, trans)
              ]}
            />
          ))}
        </details>
      )}
    </li>
  );
}
