import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { CanaryForm } from '../model/canary';
import type { DeploymentModel } from '../model/deployment';
import type { ModelsModel } from '../model/models';
import type { IDeployment, IModelVersion } from '../serving';
import { boundsLabel, rolledBackLabel, versionRows } from '../versiontext';
import { CanaryFields } from './canaryform';
import { Notice } from './notice';
import { Badge } from './state';

/** What a person can have done with the versions of a deployment; both ask first. */
export interface IVersionActions {
  promote(): void;
  rollback(): void;
}

interface IProps {
  model: DeploymentModel;
  models: ModelsModel;
  form: CanaryForm;
  actions: IVersionActions;
  trans: TranslationBundle;
}

/** The versions that get requests, how each does, and how their parts are changed. */
export function Versions({ model, models, form, actions, trans }: IProps) {
  const { deployment } = model;
  if (deployment === null) {
    return <Notice message={trans.__('Reading…')} />;
  }
  const { canary = null, previous = null, spec, state, version } = deployment;
  const known = models.models?.find(({ name }) => name === spec.model)?.versions ?? [];
  const others = known.filter(each => each.version !== version);
  const rolledBack = rolledBackLabel(deployment, model.events, trans);
  const ends = model.gone || state === 'DELETING';
  return (
    <div className="jp-dllab-Versions">
      {rolledBack ? (
        <p className="jp-dllab-Versions-news" role="status">
          {rolledBack}
        </p>
      ) : null}
      <VersionTable deployment={deployment} trans={trans} />
      {canary === null ? null : <p className="jp-dllab-dim">{boundsLabel(deployment, trans)}</p>}
      {ends ? null : (
        <>
          {canary !== null ? (
            <div className="jp-dllab-actions">
              <button type="button" className="jp-dllab-Button" onClick={actions.promote}>
                {trans.__('Promote version %1…', canary.version)}
              </button>
              <button type="button" className="jp-dllab-Button" onClick={actions.rollback}>
                {trans.__('Roll back…')}
              </button>
            </div>
          ) : previous !== null ? (
            <div className="jp-dllab-actions">
              <button type="button" className="jp-dllab-Button" onClick={actions.rollback}>
                {trans.__('Roll back to version %1…', previous)}
              </button>
            </div>
          ) : null}
          {canary === null && others.length === 0 ? (
            <OnlyOne model={spec.model} known={known} trans={trans} />
          ) : (
            <CanaryFields form={form} canary={canary} others={others} trans={trans} />
          )}
        </>
      )}
    </div>
  );
}

function OnlyOne(props: {
  model: string;
  known: readonly IModelVersion[];
  trans: TranslationBundle;
}) {
  const { model, known, trans } = props;
  return known.length === 0 ? null : (
    <p className="jp-dllab-dim">
      {trans.__(
        'There is one version of %1. Publish another one, and a part of the requests can go to it.',
        model
      )}
    </p>
  );
}

function VersionTable(props: { deployment: IDeployment; trans: TranslationBundle }) {
  const { deployment, trans } = props;
  const title = trans.__('Versions that get requests');
  const p = (percent: number) => ({
    label: `p${percent}`,
    title: trans.__('%1 of 100 answers take no longer, as whoever asks waits for them', percent)
  });
  const heads = [
    { label: trans.__('Version') },
    { label: trans.__('Of the requests') },
    { label: trans.__('Replicas ready') },
    { label: trans.__('Requests') },
    { label: trans.__('Errors'), title: trans.__('Answers with a status of 500 or more') },
    p(50),
    p(95),
    p(99)
  ] as { label: string; title?: string }[];
  return (
    <div className="jp-dllab-Versions-wide" tabIndex={0} role="group" aria-label={title}>
      <table className="jp-dllab-Replicas jp-dllab-Versions-table">
        <caption>{title}</caption>
        <thead>
          <tr>
            {heads.map(({ label, title }) => (
              <th key={label} scope="col" title={title}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {versionRows(deployment, trans).map(({ version, isCanary, ...row }) => (
            <tr key={version}>
              <th scope="row">
                {version} {isCanary ? <Badge kind="tag" label={trans.__('canary')} /> : null}
              </th>
              {[row.percent, row.ready, row.requests, row.errors, row.p50, row.p95, row.p99].map(
                (text, column) => (
                  <td key={column}>{text}</td>
                )
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
