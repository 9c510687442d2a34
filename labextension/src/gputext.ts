/** GPUs in words: what one is called, what is wrong with it, what it does. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { count, gib, size } from './format';
import type { IGpu, IGpuProcess, IGpuTotals, Throttle } from './gpuspecs';
import { isSlice, type ITotals } from './model/gpugroups';

/** What a GPU is called where the name of its model stands beside it. */
export function shortName(gpu: IGpu, trans: TranslationBundle): string {
  return isSlice(gpu)
    ? trans.__('GPU %1, slice %2', gpu.index, gpu.slice)
    : trans.__('GPU %1', gpu.index);
}

/** Its model, the profile of a slice, the machine that has it. */
export function modelName({ name, mig, node }: IGpu): string {
  const short = name.replace(/^NVIDIA /, '');
  const model = short === 'GPU' ? '' : short; // Of one that cannot be read no model is known.
  return [mig || model, node].filter(part => part).join(' · ');
}

/** What is wrong with it, the worst first; `error` where something has to be done. */
export function warningsOf(
  gpu: IGpu,
  trans: TranslationBundle
): { kind: 'error' | 'warning'; text: string }[] {
  const { error, withdrawn, recovery, remap_failed, ecc_uncorrected, throttle } = gpu;
  const errors = [error, withdrawn ?? '', todo(recovery ?? 0, trans)];
  if (remap_failed) {
    errors.push(trans.__('A broken row of its memory could not be replaced.'));
  }
  if (ecc_uncorrected) {
    errors.push(
      trans._n(
        '%1 memory error could not be corrected.',
        '%1 memory errors could not be corrected.',
        ecc_uncorrected
      )
    );
  }
  const slow = [...new Set((throttle ?? []).map(reason => slowed(reason, trans)))];
  return [
    ...errors.filter(text => text).map(text => ({ kind: 'error' as const, text })),
    ...slow.map(text => ({ kind: 'warning' as const, text }))
  ];
}

/** Why it runs slower than it could. */
export function slowed(reason: Throttle, trans: TranslationBundle): string {
  switch (reason) {
    case 'power_cap':
      return trans.__('Held back by its power limit.');
    case 'sw_thermal':
    case 'hw_thermal':
      return trans.__('Slowed down by heat.');
    case 'power_brake':
      return trans.__("Slowed down by the machine's power supply.");
    default:
      return trans.__('Slowed down by its own protection: heat or power.');
  }
}

/** What has to be done, of NVIDIA's numbers. */
function todo(recovery: number, trans: TranslationBundle): string {
  switch (recovery) {
    case 0:
      return '';
    case 1:
      return trans.__('It has to be reset.');
    case 2:
      return trans.__('The machine has to be restarted.');
    case 3:
      return trans.__('What uses it together with other GPUs should end.');
    case 4:
      return trans.__('What runs on it should end and nothing be started; then it is to be reset.');
    default:
      return trans.__('NVIDIA recommends action %1.', recovery);
  }
}

/** `61 / 90 °C`: with the temperature at which it slows itself down. */
export function heat(gpu: IGpu, trans: TranslationBundle): string {
  const { temperature, temperature_slowdown: limit } = gpu;
  if (temperature === null) {
    return '';
  }
  return limit === null
    ? trans.__('%1 °C', temperature)
    : trans.__('%1 / %2 °C', temperature, limit);
}

/** `350 / 700 W`. */
export function power({ power, power_limit }: IGpu, trans: TranslationBundle): string {
  if (power === null) {
    return '';
  }
  return power_limit === null
    ? trans.__('%1 W', Math.round(power))
    : trans.__('%1 / %2 W', Math.round(power), Math.round(power_limit));
}

export function memory(gpu: IGpu, trans: TranslationBundle): string {
  if (gpu.memory_total === null) {
    return trans.__('memory unknown');
  }
  const used = gpu.memory_used === null ? '?' : gib(gpu.memory_used);
  return trans.__('%1 / %2 GiB', used, gib(gpu.memory_total));
}

/** `5 GPUs of others: 3 busy, 41.0 of 120.0 GiB`, as far as it is known. */
export function totalsText(
  { count, busy, used, total }: ITotals,
  trans: TranslationBundle
): string {
  const what = trans._n('%1 GPU of others', '%1 GPUs of others', count);
  const facts = [
    busy === null ? '' : trans.__('%1 busy', busy),
    used === null || total === null ? '' : trans.__('%1 of %2 GiB', gib(used), gib(total))
  ].filter(fact => fact);
  return facts.length > 0 ? trans.__('%1: %2', what, facts.join(', ')) : what;
}

/** `5 GPUs of others: 3 busy, 41.0 of 120.0 GiB · 2 free`, of the machines of a cluster. */
export function othersText(totals: IGpuTotals, trans: TranslationBundle): string {
  const { held: count, free, out, busy, memory_used: used, memory_total: total } = totals;
  return [
    count > 0 ? totalsText({ count, busy, used, total }, trans) : '',
    trans.__('%1 free', free),
    out > 0 ? trans.__('%1 out of service', out) : ''
  ]
    .filter(part => part)
    .join(' · ');
}

/** A process in one line: its program, memory, and whose it is. */
export function processText(process: IGpuProcess, user: string, trans: TranslationBundle): string {
  const { pid, name, memory, holder, replica } = process;
  const program = [name || trans.__('process'), pid === null ? '' : `(${pid})`];
  const used = memory === null ? trans.__('memory unknown') : size(memory);
  return [
    program.filter(part => part).join(' '),
    used,
    whose(holder, replica, pid, user, trans)
  ].join(' · ');
}

function whose(
  holder: IGpuProcess['holder'],
  replica: string,
  pid: number | null,
  user: string,
  trans: TranslationBundle
): string {
  if (holder === null) {
    return pid === null ? trans.__('unknown here') : trans.__('not of this lab');
  }
  const { kind, owner, name, id } = holder;
  if (!name && !id) {
    return trans.__('another person');
  }
  const what = { lab: trans.__('lab'), job: trans.__('job'), deployment: trans.__('model') }[kind];
  const of = user && owner && owner !== user ? trans.__('of %1', owner) : '';
  return [what, name || id, replica, of].filter(part => part).join(' ');
}

/** All that is known of a GPU and is not told elsewhere: names and values. */
export function detailsOf(
  gpu: IGpu,
  driver: string,
  trans: TranslationBundle
): [name: string, value: string][] {
  const known = <T>(value: T | null | undefined, text: (value: T) => string): string =>
    value === null || value === undefined ? '' : text(value);
  const slowdown = known(gpu.temperature_slowdown, at => trans.__('slows down at %1 °C', at));
  const shutdown = known(gpu.temperature_shutdown, at => trans.__('turns off at %1 °C', at));
  const rate = (bytes: number) => trans.__('%1/s', size(bytes));
  const xids = Object.entries(gpu.xids ?? {});
  const rows: [string, string][] = [
    [trans.__('Model'), gpu.name],
    ['UUID', gpu.uuid],
    [trans.__('Driver'), driver],
    [trans.__('Clock'), known(gpu.clock, megahertz)],
    [trans.__('Memory clock'), known(gpu.memory_clock, megahertz)],
    [trans.__('Temperature limits'), [slowdown, shutdown].filter(limit => limit).join(', ')],
    [trans.__('Memory errors'), errors(gpu, trans)],
    [
      trans.__('Driver errors'),
      xids.map(([xid, times]) => trans.__('Xid %1 × %2', xid, times)).join(', ')
    ],
    [trans.__('PCIe sent'), known(gpu.pcie_sent, rate)],
    [trans.__('PCIe received'), known(gpu.pcie_received, rate)],
    ['NVLink', known(gpu.nvlink, rate)]
  ];
  return rows.filter(([, value]) => value !== '');
}

function megahertz(hertz: number): string {
  return `${count(Math.round(hertz / 1e6))} MHz`;
}

function errors(gpu: IGpu, trans: TranslationBundle): string {
  const { ecc_corrected: corrected = null, ecc_uncorrected: uncorrected = null } = gpu;
  return [
    corrected === null ? '' : trans.__('%1 corrected', corrected),
    uncorrected === null ? '' : trans.__('%1 not corrected', uncorrected)
  ]
    .filter(part => part)
    .join(', ');
}
