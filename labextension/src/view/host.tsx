import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { gib } from '../format';
import type { HostModel } from '../model/host';
import { Bar } from './bar';

/** CPU, memory and disks, as far as they are known; nothing when they are not. */
export function Machine({ model, trans }: { model: HostModel; trans: TranslationBundle }) {
  const { host } = model;
  if (host === null) {
    return null;
  }
  const { cpu, cpus, memory, memory_limit: limit, disks } = host;
  const bars: [label: string, ratio: number | null, text: string][] = [];
  if (cpus !== null) {
    const used = cpu === null ? '?' : cpu.toFixed(1);
    const ratio = cpu === null ? null : cpu / cpus;
    bars.push([trans.__('CPU'), ratio, trans.__('%1 / %2 CPUs', used, short(cpus))]);
  }
  if (limit !== null) {
    const used = memory === null ? '?' : gib(memory);
    const ratio = memory === null ? null : memory / limit;
    bars.push([trans.__('Memory'), ratio, trans.__('%1 / %2 GiB', used, gib(limit))]);
  }
  for (const { name, used, total } of disks) {
    const text = trans.__('%1 / %2 GiB', gib(used), gib(total));
    bars.push([trans.__('Disk %1', name), total > 0 ? used / total : null, text]);
  }
  return bars.length === 0 ? null : (
    <div className="jp-dllab-Machine">
      <h4 className="jp-dllab-Gpus-heading">
        {host.container ? trans.__('This container') : trans.__('Machine')}
      </h4>
      {bars.map(([label, ratio, text]) => (
        <div key={label} className="jp-dllab-Machine-row">
          <span className="jp-dllab-Machine-label" title={label}>
            {label}
          </span>
          <Bar role="meter" label={label} ratio={ratio} text={text} />
        </div>
      ))}
    </div>
  );
}

/** A number of CPUs; limits of containers may be half of one. */
function short(cpus: number): string {
  return String(Number(cpus.toFixed(1)));
}
