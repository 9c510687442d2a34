import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import * as React from 'react';
import type { LabApi } from '../api';
import { DeployForm } from '../model/deployform';
import type { DeploymentsModel } from '../model/deployments';
import type { IFiles } from '../model/imports';
import type { ModelsModel } from '../model/models';
import type { IDeployment } from '../serving';
import { DeployFormView } from './deployform';
import { Section } from './section';

/** The form for a new deployment, in the main area. */
export class DeployFormTab extends Section {
  constructor({ api, models, deployments, files, deployed, trans }: DeployFormTab.IOptions) {
    const publish = async (model: string, path: string) => {
      const version = await api.publishPath(model, path);
      models.refresh();
      return version;
    };
    const form = new DeployForm(
      publish,
      spec => deployments.deploy(spec),
      directory => files.list(directory)
    );
    const submit = async () => {
      const deployment = await form.submit();
      if (deployment !== null && !this.isDisposed) {
        deployed(deployment);
      }
    };
    super([models, deployments], () => (
      <DeployFormView
        form={form}
        models={models}
        deployments={deployments}
        submit={() => void submit()}
        trans={trans}
      />
    ));
    this.addClass('jp-dllab-FormTab');
    this.form = form;
    form.changed.connect(() => {
      if (this.isDisposed) {
        return; // What was sent is carried out, also when nobody waits for it.
      }
      this.update();
      if (form.source === 'file') {
        void form.suggest();
      }
    });
  }

  readonly form: DeployForm;

  protected override onActivateRequest(msg: Message): void {
    super.onActivateRequest(msg);
    if (!this.node.contains(document.activeElement)) {
      this.node.querySelector<HTMLElement>('select:not(:disabled), input')?.focus();
    }
  }
}

export namespace DeployFormTab {
  export interface IOptions {
    api: LabApi;
    models: ModelsModel;
    deployments: DeploymentsModel;
    files: IFiles;
    /** A wish was taken. */
    deployed: (deployment: IDeployment) => void;
    trans: TranslationBundle;
  }
}
