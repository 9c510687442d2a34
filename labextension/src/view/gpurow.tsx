import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { holderLabel, percent } from '../format';
import type { IGpu } from '../gpuspecs';
import {
  detailsOf,
  heat,
  memory,
  modelName,
  power,
  processText,
  shortName,
  warningsOf
} from '../gputext';
import { isSlice } from '../model/gpugroups';
import type { GpusModel } from '../model/gpus';
import { type IPoint, STEP } from '../model/history';
import { Bar } from './bar';
import { Disclosure } from './disclosure';
import { Facts } from './notice';
import { SeverityIcon } from './severity';
import { Sparkline } from './sparkline';

/** Seconds between two values of a GPU that others measure. */
const FAR = 15;

interface IGpuRowProps {
  model: GpusModel;
  gpu: IGpu;
  /** Rows of its slices. */
  children?: React.ReactNode;
  trans: TranslationBundle;
}

/** One GPU or slice: what it is, what it does, who has it, what is wrong with it. */
export function GpuRow({ model, gpu, children, trans }: IGpuRowProps) {
  const { holder, divided } = gpu;
  const name = shortName(gpu, trans);
  const points = model.history(gpu.uuid);
  const warnings = warningsOf(gpu, trans);
  const works = !gpu.error;
  const owner = holder?.owner && model.user && holder.owner !== model.user ? holder.owner : '';
  const facts = [
    heat(gpu, trans),
    power(gpu, trans),
    divided ? trans.__('divided into slices') : holder === null ? '' : holderLabel(holder, trans),
    owner === '' ? '' : trans.__('of %1', owner)
  ].filter(fact => fact !== '');
  return (
    <li className="jp-dllab-Gpu" data-gpu={gpu.uuid} data-slice={isSlice(gpu) || undefined}>
      <div className="jp-dllab-Gpu-title" title={`${gpu.name}\n${gpu.uuid}`}>
        <span className="jp-dllab-Gpu-index">{name}</span>
        <span className="jp-dllab-Gpu-name">{modelName(gpu)}</span>
        {works && (points.length > 0 || gpu.utilization !== null) ? (
          <Sparkline
            points={points}
            end={endOf(model.report?.time ?? 0)}
            every={gpu.node ? FAR : undefined}
            label={history(points, trans)}
          />
        ) : null}
      </div>
      {warnings.map(({ kind, text }) => (
        <p key={text} className="jp-dllab-Gpu-warning">
          <SeverityIcon severity={kind === 'error' ? 'critical' : 'warning'} />
          <span>{text}</span>
        </p>
      ))}
      {works && !divided ? <Bars gpu={gpu} name={name} trans={trans} /> : null}
      {facts.length > 0 ? <Facts facts={facts} /> : null}
      <Disclosure
        summary={trans.__('Details')}
        label={trans.__('Details of %1', name)}
        className="jp-dllab-Gpu-details"
      >
        {() => <GpuDetails model={model} gpu={gpu} trans={trans} />}
      </Disclosure>
      {children}
    </li>
  );
}

/** Load and memory, each as a bar and as text. */
function Bars({ gpu, name, trans }: { gpu: IGpu; name: string; trans: TranslationBundle }) {
  const { utilization, memory_used: used, memory_total: total } = gpu;
  return (
    <>
      <Bar
        role="meter"
        label={trans.__('Utilization of %1', name)}
        ratio={utilization}
        text={
          utilization === null ? trans.__('load unknown') : trans.__('%1 %', percent(utilization))
        }
      />
      <Bar
        role="meter"
        label={trans.__('Memory of %1', name)}
        ratio={used === null || !total ? null : used / total}
        text={memory(gpu, trans)}
      />
    </>
  );
}

/** What few people need: clocks, limits, errors, and the processes on it. */
export function GpuDetails({ model, gpu, trans }: IGpuRowProps) {
  const rows = detailsOf(gpu, model.report?.driver ?? '', trans);
  const processes = gpu.processes ?? null;
  const label = trans.__('Processes');
  return (
    <>
      {processes !== null && processes.length > 0 ? (
        <>
          <p className="jp-dllab-dim">{label}</p>
          <ul aria-label={label}>
            {processes.map((process, at) => (
              <li key={process.pid ?? `-${at}`}>{processText(process, model.user, trans)}</li>
            ))}
          </ul>
        </>
      ) : null}
      <dl>
        {processes === null || processes.length > 0 || gpu.divided ? null : (
          <>
            <dt>{label}</dt>
            <dd>{trans.__('none')}</dd>
          </>
        )}
        {rows.map(([label, value]) => (
          <React.Fragment key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </React.Fragment>
        ))}
      </dl>
    </>
  );
}

/** Drawn anew with each point only: between two the picture stays as it is. */
function endOf(time: number): number {
  return (Math.floor(time / STEP) + 1) * STEP;
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
