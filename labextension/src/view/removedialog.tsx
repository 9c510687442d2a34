import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IJob } from '../specs';

/** More ids than these are counted. */
const SHOWN = 8;

/** Say what removing the files of jobs loses and ask; resolves to whether the person wants it. */
export function confirmRemoveFiles(
  jobs: readonly IJob[],
  trans: TranslationBundle
): Promise<boolean> {
  return confirm(
    trans._n('Remove the files of %1 run?', 'Remove the files of %1 runs?', jobs.length),
    [
      trans.__('Checkpoints, event files, outputs and logs are removed for good.'),
      trans.__('What is known of the runs stays: their code, curves, results and notes.'),
      trans.__('They cannot be resumed any more, and no job can start from their checkpoints.')
    ],
    jobs,
    trans.__('Remove files'),
    trans
  );
}

/** Say what deleting jobs loses and ask; resolves to whether the person wants it. */
export function confirmRemove(jobs: readonly IJob[], trans: TranslationBundle): Promise<boolean> {
  return confirm(
    trans._n('Delete %1 run?', 'Delete %1 runs?', jobs.length),
    [
      trans.__(
        'Their files and all that is known of them are removed for good: code, curves, results and notes.'
      )
    ],
    jobs,
    trans.__('Delete'),
    trans
  );
}

async function confirm(
  title: string,
  sentences: readonly string[],
  jobs: readonly IJob[],
  label: string,
  trans: TranslationBundle
): Promise<boolean> {
  const more = jobs.length - SHOWN;
  const { button } = await showDialog({
    title,
    body: (
      <div className="jp-dllab-Dialog">
        {sentences.map(sentence => (
          <p key={sentence}>{sentence}</p>
        ))}
        <ul>
          {jobs.slice(0, SHOWN).map(({ id, favourite }) => (
            <li key={id}>
              {id}
              {favourite ? ` (${trans.__('favourite')})` : ''}
            </li>
          ))}
        </ul>
        {more > 0 ? <p>{trans._n('And %1 more.', 'And %1 more.', more)}</p> : null}
      </div>
    ),
    buttons: [Dialog.cancelButton({ label: trans.__('Keep') }), Dialog.warnButton({ label })],
    defaultButton: 0
  });
  return button.accept;
}
