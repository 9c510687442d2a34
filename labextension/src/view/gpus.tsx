import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IGpu } from '../gpuspecs';
import { othersText, totalsText } from '../gputext';
import { groupsOf, type IGpuEntry, type IGpuGroups, totalsOf } from '../model/gpugroups';
import { type GpusModel, PACE } from '../model/gpus';
import { Disclosure } from './disclosure';
import { GpuRow } from './gpurow';
import { Lending } from './lend';
import { Notice, Trouble } from './notice';

/** All GPUs of the machine, one's own first, or why none is shown. */
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
        <Groups groups={groupsOf(report.gpus, model.user)} model={model} trans={trans} />
      ) : null}
      {report?.others ? (
        <p className="jp-dllab-Gpus-rest jp-dllab-facts">{othersText(report.others, trans)}</p>
      ) : null}
    </div>
  );
}

interface IGroupsProps {
  groups: IGpuGroups;
  model: GpusModel;
  trans: TranslationBundle;
}

function Groups({ groups, model, trans }: IGroupsProps) {
  const { mine, held, free, out, others } = groups;
  return (
    <>
      <Group label={trans.__('My GPUs')} entries={mine} model={model} trans={trans} />
      <Group label={trans.__('Held')} entries={held} model={model} trans={trans} />
      <Lending model={model} trans={trans} />
      <Group label={trans.__('Free')} entries={free} model={model} trans={trans} />
      <Group label={trans.__('Out of service')} entries={out} model={model} trans={trans} />
      {others.length > 0 ? (
        <Disclosure summary={totalsText(totalsOf(others), trans)} className="jp-dllab-Gpus-others">
          {() => (
            <List label={trans.__('GPUs of others')} entries={others} model={model} trans={trans} />
          )}
        </Disclosure>
      ) : null}
    </>
  );
}

interface IGroupProps {
  label: string;
  entries: readonly IGpuEntry[];
  model: GpusModel;
  trans: TranslationBundle;
}

function Group(props: IGroupProps) {
  return props.entries.length === 0 ? null : (
    <>
      <h4 className="jp-dllab-Gpus-heading">{props.label}</h4>
      <List {...props} />
    </>
  );
}

function List({ label, entries, model, trans }: IGroupProps) {
  return (
    <ul className="jp-dllab-list" aria-label={label}>
      {entries.map(({ gpu, slices }) => (
        <GpuRow key={keyOf(gpu)} model={model} gpu={gpu} trans={trans}>
          {slices.length > 0 ? (
            <ul className="jp-dllab-list jp-dllab-Gpu-slices">
              {slices.map(slice => (
                <GpuRow key={keyOf(slice)} model={model} gpu={slice} trans={trans} />
              ))}
            </ul>
          ) : null}
        </GpuRow>
      ))}
    </ul>
  );
}

/** Of a GPU that cannot be read the UUID may not be known. */
function keyOf({ uuid, node, index, slice }: IGpu): string {
  return uuid || `${node ?? ''} ${index} ${slice ?? ''}`;
}
