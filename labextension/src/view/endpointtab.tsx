import type { TranslationBundle } from '@jupyterlab/translation';
import { Panel } from '@lumino/widgets';
import * as React from 'react';
import type { LabApi } from '../api';
import { EndpointModel } from '../model/endpoints';
import { PredictForm } from '../model/predict';
import { Addresses, signature } from './deployheader';
import { Facts, Notice, Trouble } from './notice';
import { Predict } from './predict';
import { Section } from './section';
import { ServingChip } from './state';

/** A deployment of another person in the main area: what it takes, where it is, and a request. */
export class EndpointTab extends Panel {
  constructor(api: LabApi, owner: string, name: string, trans: TranslationBundle) {
    super();
    this.addClass('jp-dllab-JobTab');
    const model = new EndpointModel(api.access, owner, name);
    const form = new PredictForm((text, version) => api.predict(name, text, version, owner));
    this.model = model;
    const header = new Section([model], () => <Header model={model} trans={trans} />);
    header.addClass('jp-dllab-JobHeader');
    const keys = trans.__('%1 can make one.', owner);
    const view = new Section([model], () =>
      model.endpoint === null ? (
        <></>
      ) : (
        <Predict model={model} keys={keys} form={form} trans={trans} />
      )
    );
    view.addClass('jp-dllab-DeploymentView');
    this.addWidget(header);
    this.addWidget(view);
    form.changed.connect(() => {
      if (!this.isDisposed) {
        view.update();
      }
    });
    model.changed.connect(({ endpoint }) => {
      if (endpoint !== null) {
        form.offer(endpoint);
      }
    });
  }

  readonly model: EndpointModel;

  override dispose(): void {
    super.dispose();
    this.model.dispose();
  }
}

function Header({ model, trans }: { model: EndpointModel; trans: TranslationBundle }) {
  const { endpoint, gone, name, owner } = model;
  if (gone) {
    return (
      <Notice
        message={trans.__('There is no deployment %1 of %2 that you may ask.', name, owner)}
        hint={trans.__('It was deleted, or is not open to you any more.')}
      />
    );
  }
  return (
    <>
      <Trouble model={model} trans={trans} />
      {endpoint === null ? (
        model.error === null ? (
          <Notice message={trans.__('Reading…')} />
        ) : null
      ) : (
        <>
          <div className="jp-dllab-JobHeader-title">
            <h2>{`${owner}/${name}`}</h2>
            <ServingChip state={endpoint.state} trans={trans} />
          </div>
          <Facts facts={[trans.__('%1, version %2', endpoint.model, endpoint.version)]} />
          <Facts facts={signature(endpoint, trans)} />
          <Addresses deployment={endpoint} trans={trans} />
        </>
      )}
    </>
  );
}
