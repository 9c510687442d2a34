import { Dialog, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { LabError } from '../errors';
import { lossOf, lossOfPause } from '../loss';
import type { IJob } from '../specs';

/** Say what cancelling the job loses and ask; resolves to whether the person wants it. */
export function confirmCancel(job: IJob, trans: TranslationBundle): Promise<boolean> {
  return confirm(
    trans.__('Cancel %1?', job.id),
    lossOf(job, Date.now() / 1000, trans),
    job.state === 'PAUSED' ? trans.__('Keep it') : trans.__('Keep running'),
    Dialog.warnButton({ label: trans.__('Cancel job') })
  );
}

/** Say what pausing the job loses and ask; resolves to whether the person wants it. */
export function confirmPause(job: IJob, trans: TranslationBundle): Promise<boolean> {
  return confirm(
    trans.__('Pause %1?', job.id),
    lossOfPause(job, Date.now() / 1000, trans),
    job.started === null ? trans.__('Keep waiting') : trans.__('Keep running'),
    Dialog.okButton({ label: trans.__('Pause job') })
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
