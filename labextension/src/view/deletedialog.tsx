import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { lossOfDeployment } from '../serveformat';
import type { IDeployment } from '../serving';

/** Say what deleting the deployment loses and ask; resolves to whether the person wants it. */
export async function confirmDelete(
  deployment: IDeployment,
  trans: TranslationBundle
): Promise<boolean> {
  const { button } = await showDialog({
    title: trans.__('Delete the deployment %1?', deployment.name),
    body: (
      <div className="jp-dllab-Dialog">
        {lossOfDeployment(deployment, trans).map(sentence => (
          <p key={sentence}>{sentence}</p>
        ))}
      </div>
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Keep it') }),
      Dialog.warnButton({ label: trans.__('Delete') })
    ],
    defaultButton: 0
  });
  return button.accept;
}
