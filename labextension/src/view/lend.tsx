import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { gib } from '../format';
import type { GpusModel } from '../model/gpus';
import { type ILending, lendings } from '../model/lending';
import type { IGpu } from '../gpuspecs';
import { showLabError } from './cancel';

/** A switch for each of one's own labs with GPUs: whether its GPUs are lent to one's jobs. */
export function Lending({ model, trans }: { model: GpusModel; trans: TranslationBundle }) {
  const labs = model.report === null ? [] : lendings(model.report);
  return (
    <>
      {labs.map(lab => (
        <label
          key={lab.id}
          className="jp-dllab-Lend"
          title={trans.__('Your jobs may then use the GPUs of this lab when no other is free.')}
        >
          <input
            type="checkbox"
            checked={lab.lend}
            onChange={({ target }) => void setLending(model, lab, target.checked, trans)}
          />
          {labs.length === 1
            ? trans.__('Lend to my jobs')
            : trans.__('Lend what lab %1 holds to my jobs', lab.name)}
        </label>
      ))}
    </>
  );
}

/** Before lending the person sees how much memory is left for a job. */
async function setLending(
  model: GpusModel,
  lab: ILending,
  lend: boolean,
  trans: TranslationBundle
): Promise<void> {
  if (lend && !(await confirmLend(lab, trans))) {
    return;
  }
  try {
    await model.lend(lab.id, lend);
  } catch (reason) {
    await showLabError(trans.__('The lab could not be asked to lend'), reason, trans);
  }
}

async function confirmLend(lab: ILending, trans: TranslationBundle): Promise<boolean> {
  const { button } = await showDialog({
    title: trans._n(
      'Lend the GPU of lab %2 to your jobs?',
      'Lend the %1 GPUs of lab %2 to your jobs?',
      lab.gpus.length,
      lab.name
    ),
    body: (
      <div className="jp-dllab-Dialog">
        <ul className="jp-dllab-list">
          {lab.gpus.map(gpu => (
            <li key={gpu.uuid}>{memoryInUse(gpu, trans)}</li>
          ))}
        </ul>
        <p>
          {trans.__(
            'A job that finds no free GPU then runs beside your notebooks and shares this memory with them. Restart kernels that you do not need: a job that finds too little memory fails.'
          )}
        </p>
      </div>
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Keep it') }),
      Dialog.okButton({ label: trans.__('Lend') })
    ],
    defaultButton: 1
  });
  return button.accept;
}

/** What the lab, or whoever else is on the GPU, has taken of its memory. */
export function memoryInUse(gpu: IGpu, trans: TranslationBundle): string {
  if (gpu.memory_used === null || gpu.memory_total === null) {
    return trans.__('GPU %1: how much of its memory is in use is not known.', gpu.index);
  }
  return trans.__(
    'GPU %1: %2 of %3 GiB of its memory is in use now.',
    gpu.index,
    gib(gpu.memory_used),
    gib(gpu.memory_total)
  );
}
