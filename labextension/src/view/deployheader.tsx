import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { ago, duration } from '../format';
import type { DeploymentModel } from '../model/deployment';
import { autoscaleLabel, readyLabel, tensorLabel } from '../serveformat';
import { type IDeployment, type IModelVersion, MAX_REPLICAS } from '../serving';
import { loadFacts } from '../versiontext';
import { CopyButton } from './copy';
import {
  addresses,
  ChangeButton,
  DeleteButton,
  type IAddressed,
  type IDeploymentActions
} from './deployactions';
import { modelLabel } from './models';
import { Facts, Notice, Trouble } from './notice';
import { ServingChip } from './state';

interface IProps {
  model: DeploymentModel;
  actions: IDeploymentActions;
  /** Wish for so many replicas. */
  scale: (replicas: number) => void;
  trans: TranslationBundle;
}

/** What is known of one deployment: state, traffic, addresses, replicas. */
export function DeploymentHeader({ model, actions, scale, trans }: IProps) {
  const { deployment, version } = model;
  if (model.gone) {
    return (
      <Notice
        message={trans.__('There is no deployment %1.', model.name)}
        hint={
          deployment === null
            ? trans.__('It may have been deleted.')
            : trans.__('It was deleted. What is shown below is what was known last.')
        }
      />
    );
  }
  if (deployment === null) {
    return model.error === null ? (
      <Notice message={trans.__('Reading…')} />
    ) : (
      <Trouble model={model} trans={trans} />
    );
  }
  const now = Date.now() / 1000;
  return (
    <>
      <Trouble model={model} trans={trans} />
      <div className="jp-dllab-JobHeader-title">
        <h2>{deployment.name}</h2>
        <ServingChip state={deployment.state} trans={trans} />
        <div className="jp-dllab-actions">
          {deployment.spec.autoscale ? (
            <span className="jp-dllab-Stepper jp-dllab-dim">
              {autoscaleLabel(deployment, trans)}
            </span>
          ) : (
            <Stepper model={model} scale={scale} trans={trans} />
          )}
          <ChangeButton deployment={deployment} actions={actions} trans={trans} />
          <DeleteButton deployment={deployment} actions={actions} trans={trans} />
        </div>
      </div>
      {deployment.reason ? <p className="jp-dllab-JobHeader-reason">{deployment.reason}</p> : null}
      {deployment.warning ? <Notice message={deployment.warning} /> : null}
      <Facts
        facts={[
          modelLabel(deployment, trans),
          readyLabel(deployment, trans),
          ...(deployment.canary
            ? [
                trans.__(
                  'version %1 gets %2 % of the requests',
                  deployment.canary.version,
                  deployment.canary.percent
                )
              ]
            : []),
          ...loadFacts(deployment, trans),
          trans.__('created %1', ago(deployment.created, now, trans))
        ]}
      />
      {version === null ? null : <Facts facts={signature(version, trans)} />}
      <Addresses deployment={deployment} trans={trans} />
      <Replicas deployment={deployment} now={now} trans={trans} />
    </>
  );
}

/** What goes in and what comes out. */
export function signature(
  { inputs, outputs }: Pick<IModelVersion, 'inputs' | 'outputs'>,
  trans: TranslationBundle
): string[] {
  return [
    trans.__('takes %1', inputs.map(tensorLabel).join(', ')),
    trans.__('gives %1', outputs.map(tensorLabel).join(', '))
  ];
}

/** How many replicas there are to be: each press is a wish. */
function Stepper({ model, scale, trans }: Omit<IProps, 'actions'>) {
  const { wish } = model;
  const off = model.deployment?.state === 'DELETING';
  const step = (to: number, text: string, label: string) => {
    const disabled = off || to < 1 || to > MAX_REPLICAS;
    return (
      <button
        type="button"
        className="jp-dllab-Button"
        aria-label={label}
        title={label}
        aria-disabled={disabled}
        onClick={() => disabled || scale(to)}
      >
        {text}
      </button>
    );
  };
  return (
    <span className="jp-dllab-Stepper" role="group" aria-label={trans.__('Replicas')}>
      {step(wish - 1, '−', trans.__('One replica less'))}
      <span className="jp-dllab-Stepper-value" aria-live="polite">
        {trans._n('%1 replica', '%1 replicas', wish)}
      </span>
      {step(wish + 1, '+', trans.__('One replica more'))}
    </span>
  );
}

/** Where it is asked. */
export function Addresses(props: { deployment: IAddressed; trans: TranslationBundle }) {
  const { deployment, trans } = props;
  if (!deployment.url) {
    return null;
  }
  const { v1, v2 } = addresses(deployment);
  return (
    <dl className="jp-dllab-Addresses">
      {[
        { protocol: trans.__('V1'), address: v1 },
        { protocol: trans.__('V2'), address: v2 }
      ].map(({ protocol, address }) => (
        <div key={protocol}>
          <dt>{protocol}</dt>
          <dd>
            <code>{address}</code>
            <CopyButton
              text={address}
              label={trans.__('Copy')}
              title={trans.__('Copy the URL for protocol %1', protocol)}
              trans={trans}
            />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Replicas(props: { deployment: IDeployment; now: number; trans: TranslationBundle }) {
  const { deployment, now, trans } = props;
  if (deployment.replicas.length === 0) {
    return null;
  }
  return (
    <table className="jp-dllab-Replicas">
      <caption>{trans.__('Replicas')}</caption>
      <thead>
        <tr>
          <th scope="col">{trans.__('Replica')}</th>
          <th scope="col">{trans.__('State')}</th>
          <th scope="col">{trans.__('Version')}</th>
          <th scope="col">{trans.__('Process')}</th>
          <th scope="col">{trans.__('Up for')}</th>
          <th scope="col">{trans.__('Restarts')}</th>
          <th scope="col">{trans.__('Reason')}</th>
        </tr>
      </thead>
      <tbody>
        {deployment.replicas.map(replica => (
          <tr key={replica.name}>
            <th scope="row">{replica.name}</th>
            <td>
              <ServingChip state={replica.state} trans={trans} />
            </td>
            <td>{replica.version}</td>
            <td>{replica.pid ?? '–'}</td>
            <td>{replica.started === null ? '–' : duration(now - replica.started, trans)}</td>
            <td>{replica.restarts}</td>
            <td className="jp-dllab-Replicas-reason">{replica.reason || '–'}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
