/** GPUs and alerts for the tests of the front end. */
import type { IAlert } from '../../labextension/src/alertspecs';
import type { IGpu, IHolder } from '../../labextension/src/gpuspecs';

const GIB = 2 ** 30;

export const LAB: IHolder = { kind: 'lab', owner: 'ada', name: 'mine', id: 'mine-1', lend: false };
export const JOB: IHolder = { kind: 'job', owner: 'ada', name: 'digits', id: 'digits-1' };
export const OTHER: IHolder = { kind: 'job', owner: '', name: '', id: '' };

export function aGpu(index: number, more: Partial<IGpu> = {}): IGpu {
  return {
    index,
    uuid: `GPU-${index}`,
    name: 'NVIDIA A100',
    utilization: 0.5,
    memory_used: 10 * GIB,
    memory_total: 40 * GIB,
    temperature: 60,
    temperature_slowdown: 90,
    power: 200,
    power_limit: 400,
    error: '',
    holder: null,
    ...more
  };
}

export function aSlice(index: number, slice: number, more: Partial<IGpu> = {}): IGpu {
  const uuid = `MIG-${index}-${slice}`;
  return aGpu(index, { slice, uuid, mig: '1g.10gb', utilization: null, ...more });
}

export function anAlert(id: string, more: Partial<IAlert> = {}): IAlert {
  return {
    id,
    rule: 'GPUTemperatureHigh',
    severity: 'warning',
    state: 'firing',
    kind: 'gpu',
    subject: 'GPU-0',
    name: 'GPU 0',
    owner: 'ada',
    message: `${id} is hot.`,
    hint: 'Cool it.',
    value: 91,
    since: 100,
    fired: 160,
    resolved: null,
    silenced: null,
    act: null,
    ...more
  };
}
