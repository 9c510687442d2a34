import type { TranslationBundle } from '@jupyterlab/translation';
import { Panel, type Widget } from '@lumino/widgets';
import * as React from 'react';
import type { IKey } from '../access';
import type { LabApi } from '../api';
import { AccessModel } from '../model/access';
import { CanaryForm } from '../model/canary';
import { DeploymentModel } from '../model/deployment';
import type { DeploymentsModel } from '../model/deployments';
import type { ModelsModel } from '../model/models';
import { PredictForm } from '../model/predict';
import { Access } from './access';
import { showLabError } from './cancel';
import { confirmPromote, confirmRevoke, confirmRollback } from './deletedialog';
import type { IDeploymentActions } from './deployactions';
import { DeploymentHeader } from './deployheader';
import { DeploymentLog } from './deploylog';
import { Events } from './events';
import { Predict } from './predict';
import { Section } from './section';
import { Tabs } from './tabs';
import { type IVersionActions, Versions } from './versions';

/** The views of a deployment below its facts. */
export type DeploymentView = 'predict' | 'versions' | 'access' | 'log' | 'events';

/** One deployment in the main area: what is known of it on top; the rest in tabs below. */
export class DeploymentTab extends Panel {
  constructor(options: DeploymentTab.IOptions) {
    super();
    const { api, name, deployments, models, actions, trans } = options;
    this.addClass('jp-dllab-JobTab');
    const model = new DeploymentModel(api, name, deployments);
    const form = new PredictForm((text, version) => api.predict(name, text, version));
    const canary = new CanaryForm(wish => model.canary(wish));
    const access = new AccessModel(api.access, name);
    this.model = model;
    this._access = access;

    const scale = (replicas: number) =>
      void model
        .scale(replicas)
        .catch(reason => showLabError(trans.__('%1 could not be scaled', name), reason, trans));
    const versionActions: IVersionActions = {
      promote: () =>
        void this._ask(confirmPromote, () => model.promote(), trans.__('Not promoted'), trans),
      rollback: () =>
        void this._ask(confirmRollback, () => model.rollback(), trans.__('Not rolled back'), trans)
    };
    const revoke = async (key: IKey): Promise<void> => {
      if (await confirmRevoke(key, trans)) {
        await access
          .revoke(key.id)
          .catch(reason => showLabError(trans.__('Not revoked'), reason, trans));
      }
    };
    const keys = trans.__('Make one under “Access”.');
    const header = new Section([model], () => (
      <DeploymentHeader model={model} actions={actions} scale={scale} trans={trans} />
    ));
    header.addClass('jp-dllab-JobHeader');
    this._views = {
      predict: new Section([model], () => (
        <Predict model={model} keys={keys} form={form} trans={trans} />
      )),
      versions: new Section([model, models], () => (
        <Versions
          model={model}
          models={models}
          form={canary}
          actions={versionActions}
          trans={trans}
        />
      )),
      access: new Section([access], () => (
        <Access model={access} revoke={key => void revoke(key)} trans={trans} />
      )),
      log: new DeploymentLog(api, model, trans),
      events: new Section([model], () => <Events events={model.events} trans={trans} />)
    };
    const labels = {
      predict: trans.__('Try a prediction'),
      log: trans.__('Log'),
      events: trans.__('Events'),
      versions: trans.__('Versions'),
      access: trans.__('Access')
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
    canary.changed.connect(() => {
      if (!this.isDisposed) {
        this._views.versions.update();
      }
    });
    model.changed.connect(({ deployment, version }) => {
      if (version !== null) {
        form.offer(version);
      }
      canary.follow(deployment?.canary ?? null);
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
    this._access.dispose();
  }

  /** Ask the person first, by what is known now; then carry it out, or say why it was not. */
  private async _ask(
    confirm: typeof confirmPromote,
    wish: () => Promise<void>,
    failed: string,
    trans: TranslationBundle
  ): Promise<void> {
    const { deployment } = this.model;
    if (deployment === null || !(await confirm(deployment, trans))) {
      return;
    }
    try {
      await wish();
    } catch (reason) {
      await showLabError(failed, reason, trans);
    }
  }

  /** A name that was gone may be served again. */
  private _onDeployments({ deployments }: DeploymentsModel): void {
    if (this.model.gone && deployments?.some(({ name }) => name === this.model.name)) {
      this.model.refresh();
    }
  }

  private readonly _views: Record<DeploymentView, Widget>;
  private readonly _bar: Section;
  private readonly _access: AccessModel;
  private readonly _deployments: DeploymentsModel;
  private _view: DeploymentView = 'predict';
}

export namespace DeploymentTab {
  export interface IOptions {
    api: LabApi;
    /** Of the deployment. */
    name: string;
    deployments: DeploymentsModel;
    models: ModelsModel;
    actions: IDeploymentActions;
    trans: TranslationBundle;
  }
}
