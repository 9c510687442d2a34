import type { TranslationBundle } from '@jupyterlab/translation';
import { ago, count, duration } from './format';
import { type IJob, isTerminal } from './specs';

/** What a person loses who cancels the job now: sentences, in order. */
export function lossOf(job: IJob, now: number, trans: TranslationBundle): string[] {
  if (isTerminal(job.state)) {
    return [trans.__('It has ended already.')];
  }
  if (job.state === 'PAUSED') {
    return [trans.__('It is paused, so nothing is lost. It can be resumed later all the same.')];
  }
  if (job.started === null) {
    return [trans.__('It has not started, so nothing is lost.')];
  }
  const unsaved = trans.__(
    'Unless the code saves when it is told to stop, what came after is lost.'
  );
  if (job.checkpoint !== null) {
    const { step, time } = job.checkpoint;
    return [
      trans.__(
        'The last checkpoint holds step %1 and is from %2.',
        count(step),
        ago(time, now, trans)
      ),
      unsaved
    ];
  }
  return [
    trans.__(
      'No checkpoint has been seen: unless the code saves when it is told to stop, the %1 since it started are lost.',
      duration(now - job.started, trans)
    )
  ];
}

/** What a person loses who pauses the job now: sentences, in order. */
export function lossOfPause(job: IJob, now: number, trans: TranslationBundle): string[] {
  const { checkpoint, started } = job;
  if (started === null) {
    return [
      trans.__('It waits, so nothing is lost. It gives up its place in the queue.'),
      resumed(job, trans)
    ];
  }
  if (checkpoint === null) {
    return [
      trans.__(
        'Nothing was saved yet: it will start over, unless the code saves when it is asked to end.'
      ),
      resumed(job, trans)
    ];
  }
  const { step, time } = checkpoint;
  // What lies before this launch was lost or kept then.
  const since = Math.max(time, started, ...job.replicas.map(replica => replica.started ?? 0));
  return [
    trans.__('Last checkpoint: step %1, %2.', count(step), ago(time, now, trans)),
    trans.__(
      'Pausing now loses up to %1 of work, unless the code saves when it is asked to end.',
      duration(now - since, trans)
    ),
    resumed(job, trans)
  ];
}

/** What happens when it is resumed. */
function resumed({ spec }: IJob, trans: TranslationBundle): string {
  return spec.roles.some(({ gpus }) => gpus > 0)
    ? trans.__('Its GPUs become free; when it is resumed it waits for GPUs like any other job.')
    : trans.__('It can be resumed at any time.');
}
