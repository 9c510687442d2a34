import type { TranslationBundle } from '@jupyterlab/translation';
import { Panel, type Widget } from '@lumino/widgets';
import * as React from 'react';
import type { LabApi } from '../api';
import { DeploymentModel } from '../model/deployment';
import type { DeploymentsModel } from '../model/deployments';
import { PredictForm } from '../model/predict';
import { showLabError } from './cancel';
import type { IDeploymentActions } from './deployactions';
import { DeploymentHeader } from './deployheader';
import { DeploymentLog } from './deploylog';
import { Events } from './events';
import { Predict } from './predict';
import { Section } from './section';
import { Tabs } from './tabs';

/** The views of a deployment below its facts. */
export type DeploymentView = 'predict' | 'log' | 'events';

/** One deployment in the main area: what is known of it on top; a prediction, log or events below. */
export class DeploymentTab extends Panel {
  constructor(options: DeploymentTab.IOptions) {
    super();
    const { api, name, deployments, actions, trans } = options;
    this.addClass('jp-dllab-JobTab');
    const model = new DeploymentModel(api, name, (name, n) => deployments.scale(name, n));
    const form = new PredictForm(text => api.predict(name, text));
    this.model = model;

    const scale = (replicas: number) =>
      void model
        .scale(replicas)
        .catch(reason => showLabError(trans.__('%1 could not be scaled', name), reason, trans));
    const header = new Section([model], () => (
      <DeploymentHeader model={model} actions={actions} scale={scale} trans={trans} />
    ));
    header.addClass('jp-dllab-JobHeader');
    this._views = {
      predict: new Section([model], () => <Predict model={model} form={form} trans={trans} />),
      log: new DeploymentLog(api, model, trans),
      events: new Section([model], () => <Events events={model.events} trans={trans} />)
    };
    const labels = {
      predict: trans.__('Try a prediction'),
      log: trans.__('Log'),
      events: trans.__('Events')
    };
    const tabs = (Object.keys(labels) as DeploymentView[]).map(id => ({
      id,
      label: labels[id],
      panel: `dllab-${id}-of-${name}`
    }));
    this._bar = new Section([], () => (
      <Tabs
        label={trans.__('Views of %1', name)}
        tabs={tabs}
        chosen={this._view}
        choose={view => (this.view = view)}
      />
    ));
    this.addWidget(header);
    this.addWidget(this._bar);
    for (const { id, label, panel } of tabs) {
      const view = this._views[id];
      view.id = panel;
      view.addClass('jp-dllab-DeploymentView');
      view.node.setAttribute('role', 'tabpanel');
      view.node.setAttribute('aria-label', label);
      view.setHidden(id !== this._view);
      this.addWidget(view);
    }
    form.changed.connect(() => {
      if (!this.isDisposed) {
        this._views.predict.update();
      }
    });
    model.changed.connect(({ version }) => {
      if (version !== null) {
        form.offer(version);
      }
    });
    this._deployments = deployments;
    deployments.changed.connect(this._onDeployments, this);
  }

  readonly model: DeploymentModel;

  /** Which view is on show. */
  get view(): DeploymentView {
    return this._view;
  }
  set view(view: DeploymentView) {
    this._views[this._view].hide();
    this._view = view;
    this._views[view].show();
    this._bar.update();
  }

  override dispose(): void {
    this._deployments.changed.disconnect(this._onDeployments, this);
    super.dispose();
    this.model.dispose();
  }

  /** A name that was gone may be served again. */
  private _onDeployments({ deployments }: DeploymentsModel): void {
    if (this.model.gone && deployments?.some(({ name }) => name === this.model.name)) {
      this.model.refresh();
    }
  }

  private readonly _views: Record<DeploymentView, Widget>;
  private readonly _bar: Section;
  private readonly _deployments: DeploymentsModel;
  private _view: DeploymentView = 'predict';
}

export namespace DeploymentTab {
  export interface IOptions {
    api: LabApi;
    /** Of the deployment. */
    name: string;
    deployments: DeploymentsModel;
    actions: IDeploymentActions;
    trans: TranslationBundle;
  }
}
