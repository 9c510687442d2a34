import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { gib, holderLabel, percent } from '../format';
import { type GpusModel, PACE } from '../model/gpus';
import type { IPoint } from '../model/history';
import type { IGpu } from '../specs';
import { Bar } from './bar';
import { Lending } from './lend';
import { Facts, Notice, Trouble } from './notice';
import { Sparkline } from './sparkline';

/** All GPUs of the machine, or why none is shown. */
export function Gpus({ model, trans }: { model: GpusModel; trans: TranslationBundle }) {
  const { report } = model;
  return (
    <div className="jp-dllab-Gpus">
      <Trouble model={model} trans={trans} />
      {model.asks && model.error === null ? (
        <p className="jp-dllab-Gpus-asks jp-dllab-facts" role="status">
          {trans.__(
            'No live data comes through, so the GPUs are read every %1 seconds.',
            PACE / 1000
          )}
        </p>
      ) : null}
      {report === null && model.error === null ? <Notice message={trans.__('Reading…')} /> : null}
      {report !== null && report.state !== 'ok' && model.error === null ? (
        <Notice message={report.message} hint={report.hint} />
      ) : null}
      {report !== null && report.gpus.length > 0 ? (
        <ul className="jp-dllab-list" aria-label={trans.__('GPUs of this machine')}>
          {report.gpus.map(gpu => (
            <GpuRow
              key={gpu.uuid}
              gpu={gpu}
              points={model.history(gpu.uuid)}
              end={report.time}
              trans={trans}
            />
          ))}
        </ul>
      ) : null}
      <Lending model={model} trans={trans} />
    </div>
  );
}

interface IGpuRowProps {
  gpu: IGpu;
  points: readonly IPoint[];
  /** Time of the report. */
  end: number;
  trans: TranslationBundle;
}

function GpuRow({ gpu, points, end, trans }: IGpuRowProps) {
  const holder = holderLabel(gpu.holder, trans);
  const facts = [heat(gpu, trans), power(gpu, trans), holder].filter(fact => fact !== '');
  return (
    <li className="jp-dllab-Gpu" title={`${gpu.name}\n${gpu.uuid}`}>
      <div className="jp-dllab-Gpu-title">
        <span className="jp-dllab-Gpu-index">{gpu.index}</span>
        <span className="jp-dllab-Gpu-name">{gpu.name.replace(/^NVIDIA /, '')}</span>
        {gpu.error ? null : <Sparkline points={points} end={end} label={history(points, trans)} />}
      </div>
      {gpu.error ? (
        <p className="jp-dllab-warn">{gpu.error}</p>
      ) : (
        <>
          <Bar
            role="meter"
            label={trans.__('Utilization of GPU %1', gpu.index)}
            ratio={gpu.utilization}
            text={
              gpu.utilization === null
                ? trans.__('load unknown')
                : trans.__('%1 %', percent(gpu.utilization))
            }
          />
          <Bar
            role="meter"
            label={trans.__('Memory of GPU %1', gpu.index)}
            ratio={share(gpu.memory_used, gpu.memory_total)}
            text={memory(gpu, trans)}
          />
        </>
      )}
      <Facts facts={facts} />
    </li>
  );
}

function share(used: number | null, total: number | null): number | null {
  return used === null || !total ? null : used / total;
}

function memory(gpu: IGpu, trans: TranslationBundle): string {
  if (gpu.memory_total === null) {
    return trans.__('memory unknown');
  }
  const used = gpu.memory_used === null ? '?' : gib(gpu.memory_used);
  return trans.__('%1 / %2 GiB', used, gib(gpu.memory_total));
}

function heat(gpu: IGpu, trans: TranslationBundle): string {
  if (gpu.temperature === null) {
    return '';
  }
  const limit = gpu.temperature_slowdown;
  return limit !== null && gpu.temperature >= limit
    ? trans.__('%1 °C, slowed down by heat', gpu.temperature)
    : trans.__('%1 °C', gpu.temperature);
}

function power(gpu: IGpu, trans: TranslationBundle): string {
  if (gpu.power === null) {
    return '';
  }
  const watts = Math.round(gpu.power);
  return gpu.power_limit === null
    ? trans.__('%1 W', watts)
    : trans.__('%1 / %2 W', watts, Math.round(gpu.power_limit));
}

/** The sparkline in words. */
function history(points: readonly IPoint[], trans: TranslationBundle): string {
  if (points.length === 0) {
    return trans.__('Utilization over the last minutes: not known');
  }
  const known = points.map(point => point.utilization);
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  return trans.__(
    'Utilization over the last 2 minutes: %1 % on average, %2 % at most',
    percent(mean),
    percent(Math.max(...known))
  );
}
