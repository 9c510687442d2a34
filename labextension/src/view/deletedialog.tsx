import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IKey } from '../access';
import { lossOfDeployment } from '../serveformat';
import type { IDeployment } from '../serving';
import { promotion, rollbackLoss } from '../versiontext';

/** Say what deleting the deployment loses and ask; resolves to whether the person wants it. */
export function confirmDelete(deployment: IDeployment, trans: TranslationBundle): Promise<boolean> {
  return confirm(
    trans.__('Delete the deployment %1?', deployment.name),
    lossOfDeployment(deployment, trans),
    trans.__('Keep it'),
    Dialog.warnButton({ label: trans.__('Delete') })
  );
}

/** Say what promoting the canary does and ask; resolves to whether the person wants it. */
export function confirmPromote(
  deployment: IDeployment,
  trans: TranslationBundle
): Promise<boolean> {
  return confirm(
    trans.__('Promote version %1?', deployment.canary?.version ?? ''),
    promotion(deployment, trans),
    trans.__('Leave it so'),
    Dialog.okButton({ label: trans.__('Promote') })
  );
}

/** Say what rolling back does and ask; resolves to whether the person wants it. */
export function confirmRollback(
  deployment: IDeployment,
  trans: TranslationBundle
): Promise<boolean> {
  const { canary, previous } = deployment;
  return confirm(
    canary
      ? trans.__('Roll back version %1?', canary.version)
      : trans.__('Roll back to version %1?', previous ?? ''),
    rollbackLoss(deployment, trans),
    trans.__('Leave it so'),
    Dialog.warnButton({ label: trans.__('Roll back') })
  );
}

/** Say what revoking a key does and ask; resolves to whether the person wants it. */
export function confirmRevoke({ title }: IKey, trans: TranslationBundle): Promise<boolean> {
  return confirm(
    trans.__('Revoke the key “%1”?', title),
    [trans.__('Programs that ask with it are refused from their next request on.')],
    trans.__('Keep it'),
    Dialog.warnButton({ label: trans.__('Revoke') })
  );
}

async function confirm(
  title: string,
  sentences: readonly string[],
  keep: string,
  accept: Dialog.IButton
): Promise<boolean> {
  const { button } = await showDialog({
    title,
    body: (
      <div className="jp-dllab-Dialog">
        {sentences.map(sentence => (
          <p key={sentence}>{sentence}</p>
        ))}
      </div>
    ),
    buttons: [Dialog.cancelButton({ label: keep }), accept],
    defaultButton: 0
  });
  return button.accept;
}
