import type { TranslationBundle } from '@jupyterlab/translation';
import type { IAlert } from './alertspecs';
import type { LabError } from './errors';
import type { IDeployment } from './serving';
import type { IGpuReport } from './gpuspecs';
import type { ICapacity } from './specs';

/** Alerts that are told in full. */
const MOST = 3;

/** What the status bar tells of: the models, as far as they are read here. */
export interface ILabState {
  capacity: { capacity: ICapacity | null; error: LabError | null };
  gpus: { report: IGpuReport | null };
  jobs: { alive: number };
  deployments: { deployments: readonly IDeployment[] | null };
  alerts: { firing(): readonly IAlert[] };
}

/** What is shown; nothing before the first answer. */
export function inShort(state: ILabState, trans: TranslationBundle): string[] {
  const { alerts, capacity, jobs, deployments } = state;
  if (capacity.error !== null) {
    return [trans.__('Lab: no answer')];
  }
  if (capacity.capacity === null) {
    return [];
  }
  const { total, free } = capacity.capacity;
  const models = deployments.deployments?.length ?? 0;
  const firing = alerts.firing().length;
  return [
    ...(firing > 0 ? [trans._n('%1 alert', '%1 alerts', firing)] : []),
    total > 0 ? trans.__('GPU %1/%2', total - free, total) : noGpu(state, trans),
    ...(jobs.alive > 0 ? [trans._n('%1 job', '%1 jobs', jobs.alive)] : []),
    ...(models > 0 ? [trans._n('%1 model', '%1 models', models)] : [])
  ];
}

/** The same in sentences. */
export function inWords(state: ILabState, trans: TranslationBundle): string[] {
  const { alerts, capacity, gpus, jobs, deployments } = state;
  if (capacity.error !== null) {
    return [capacity.error.sentence, capacity.error.hint].filter(sentence => sentence !== '');
  }
  const { total = 0, free = 0 } = capacity.capacity ?? {};
  const served = deployments.deployments ?? [];
  const firing = alerts.firing();
  const ready = served.filter(({ state }) => state === 'READY').length;
  return [
    ...firing.slice(0, MOST).map(({ message }) => message),
    ...(firing.length > MOST ? [trans.__('There are more alerts: %1.', firing.length - MOST)] : []),
    total > 0
      ? trans.__('%1 of %2 GPUs are in use.', total - free, total)
      : gpus.report?.message || trans.__('This machine has no GPU.'),
    jobs.alive > 0
      ? trans._n('%1 training job is under way.', '%1 training jobs are under way.', jobs.alive)
      : trans.__('No training is under way.'),
    served.length > 0
      ? trans.__('%1 of %2 deployed models are ready.', ready, served.length)
      : trans.__('No model is deployed.')
  ];
}

function noGpu({ gpus }: ILabState, trans: TranslationBundle): string {
  const state = gpus.report?.state ?? 'no_gpu';
  return state === 'no_gpu' || state === 'no_library' || state === 'ok'
    ? trans.__('No GPU')
    : trans.__('GPUs cannot be read');
}
