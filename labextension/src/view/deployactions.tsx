import { PageConfig } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import * as React from 'react';
import type { IDeployment } from '../serving';
import { CommandIDs } from '../tokens';
import { CopyButton } from './copy';

/** What the buttons of models and deployments do. */
export interface IDeploymentActions {
  open(name: string): void;
  /** Open what another person has opened to this one. */
  openEndpoint(owner: string, name: string): void;
  predict(name: string): void;
  scale(name: string): void;
  remove(name: string): void;
  /** Open the form, filled in for a model where one is given. */
  create(model?: string): void;
  /** Open the form, filled in with what a deployment is now. */
  change(deployment: string): void;
}

/** The commands of the palette as buttons. */
export function deploymentActions(commands: CommandRegistry): IDeploymentActions {
  return {
    open: name => void commands.execute(CommandIDs.openDeployment, { name }),
    openEndpoint: (owner, name) => void commands.execute(CommandIDs.openEndpoint, { owner, name }),
    predict: name => void commands.execute(CommandIDs.predict, { name }),
    scale: name => void commands.execute(CommandIDs.scale, { name }),
    remove: name => void commands.execute(CommandIDs.deleteDeployment, { name }),
    create: (model = '') => void commands.execute(CommandIDs.deploy, { model }),
    change: deployment => void commands.execute(CommandIDs.deploy, { deployment })
  };
}

interface IProps {
  deployment: IDeployment;
  actions: IDeploymentActions;
  trans: TranslationBundle;
}

export function PredictButton({ deployment: { name }, actions, trans }: IProps) {
  return (
    <button
      type="button"
      className="jp-dllab-Button"
      aria-label={trans.__('Try a prediction with %1', name)}
      onClick={() => actions.predict(name)}
    >
      {trans.__('Predict')}
    </button>
  );
}

/** Copies the address of the V1 protocol, the one that a first call uses. */
export function AddressButton({ deployment, trans }: Omit<IProps, 'actions'>) {
  return deployment.url ? (
    <CopyButton
      text={addresses(deployment).v1}
      label={trans.__('Copy URL')}
      title={trans.__('Copy the URL of %1', deployment.name)}
      trans={trans}
    />
  ) : null;
}

export function ChangeButton({ deployment: { name, state }, actions, trans }: IProps) {
  return state === 'DELETING' ? null : (
    <button
      type="button"
      className="jp-dllab-Button"
      aria-label={trans.__('Change %1', name)}
      title={trans.__('Open the form with what it is now')}
      onClick={() => actions.change(name)}
    >
      {trans.__('Change…')}
    </button>
  );
}

export function DeleteButton({ deployment: { name, state }, actions, trans }: IProps) {
  return state === 'DELETING' ? null : (
    <button
      type="button"
      className="jp-dllab-Button"
      aria-label={trans.__('Delete %1', name)}
      onClick={() => actions.remove(name)}
    >
      {trans.__('Delete')}
    </button>
  );
}

/** What has an address of its own. */
export type IAddressed = Pick<IDeployment, 'name' | 'url'>;

/** Where both protocols are spoken, as a program outside this page needs it. */
export function addresses({ name, url }: IAddressed): { v1: string; v2: string } {
  const base = new URL(url, PageConfig.getBaseUrl());
  return {
    v1: new URL(`v1/models/${name}:predict`, base).href,
    v2: new URL(`v2/models/${name}/infer`, base).href
  };
}
