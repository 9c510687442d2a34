import { Dialog, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { LabError } from '../errors';
import { lossOf } from '../format';
import type { IJob } from '../specs';

/** Say what cancelling the job loses and ask; resolves to whether the person wants it. */
export async function confirmCancel(job: IJob, trans: TranslationBundle): Promise<boolean> {
  const { button } = await showDialog({
    title: trans.__('Cancel %1?', job.id),
    body: (
      <div className="jp-dllab-Dialog">
        {lossOf(job, Date.now() / 1000, trans).map(sentence => (
          <p key={sentence}>{sentence}</p>
        ))}
      </div>
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Keep running') }),
      Dialog.warnButton({ label: trans.__('Cancel job') })
    ],
    defaultButton: 0
  });
  return button.accept;
}

/** Show why something that the person asked for did not work. */
export async function showLabError(
  title: string,
  reason: unknown,
  trans: TranslationBundle
): Promise<void> {
  const { sentence, hint } = LabError.from(reason);
  await showErrorMessage(title, hint ? `${sentence}\n${hint}` : sentence, [
    Dialog.okButton({ label: trans.__('OK') })
  ]);
}
