import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IDifference } from '../history';
import type { CompareModel } from '../model/compare';
import type { IJobActions } from './actions';
import { Charts } from './charts';
import { CodeDiff } from './codediff';
import { Notice, Trouble } from './notice';
import { StateChip } from './state';

interface IProps {
  model: CompareModel;
  actions: IJobActions;
  trans: TranslationBundle;
}

/** Runs beside each other: what differs, their curves, their code. */
export function Compare({ model, actions, trans }: IProps) {
  const { comparison } = model;
  if (comparison === null) {
    return model.error === null ? (
      <Notice message={trans.__('Reading…')} />
    ) : (
      <Trouble model={model} trans={trans} />
    );
  }
  const { code, curves, differences, jobs } = comparison;
  const parts: [IDifference['part'], string][] = [
    ['spec', trans.__('Settings')],
    ['environment', trans.__('Environment')],
    ['result', trans.__('Results')]
  ];
  return (
    <div className="jp-dllab-Details">
      <Trouble model={model} trans={trans} />
      <h2>{trans.__('Comparison')}</h2>
      <div className="jp-dllab-Wide">
        <table className="jp-dllab-History jp-dllab-Differences">
          <thead>
            <tr>
              <th scope="col">{trans.__('Differs in')}</th>
              {jobs.map(({ id, state }) => (
                <th key={id} scope="col">
                  <button
                    type="button"
                    className="jp-dllab-Job-name"
                    title={trans.__('Open %1', id)}
                    onClick={() => actions.openLogs(id)}
                  >
                    {id}
                  </button>
                  <div>
                    <StateChip state={state} trans={trans} />
                  </div>
                </th>
              ))}
            </tr>
          </thead>
          {parts.map(([part, label]) => (
            <Part
              key={part}
              label={label}
              differences={differences.filter(one => one.part === part)}
              columns={jobs.length}
              trans={trans}
            />
          ))}
        </table>
      </div>
      <h3>{trans.__('Curves')}</h3>
      <Charts
        model={model}
        jobs={model.drawn}
        read={Math.min(1, ...curves.map(({ read }) => read))}
        notes={[
          ...new Set(
            curves.flatMap(({ notes }, at) => notes.map(note => `${jobs[at].id}: ${note}`))
          )
        ]}
        attempts={[]}
        together={model.ids.join()}
        empty={trans.__('None of them reported anything.')}
        trans={trans}
      />
      <h3>{trans.__('Code')}</h3>
      {code.length === 0 ? <p className="jp-dllab-dim">{trans.__('The same in all.')}</p> : null}
      {code.map(diff => (
        <CodeDiff key={`${diff.job} ${diff.path}`} diff={diff} first={jobs[0].id} trans={trans} />
      ))}
    </div>
  );
}

function Part(props: {
  label: string;
  differences: readonly IDifference[];
  columns: number;
  trans: TranslationBundle;
}) {
  const { label, differences, columns, trans } = props;
  return (
    <tbody>
      <tr className="jp-dllab-Differences-part">
        <th scope="rowgroup" colSpan={columns + 1}>
          {label}
          {differences.length === 0 ? (
            <span className="jp-dllab-dim"> {trans.__('the same in all')}</span>
          ) : null}
        </th>
      </tr>
      {differences.map(({ field, values }) => (
        <tr key={field}>
          <th scope="row">{field}</th>
          {values.map((value, at) => (
            <td key={at} data-differs={columns > 2 && value !== values[0]}>
              {value ?? '–'}
            </td>
          ))}
        </tr>
      ))}
    </tbody>
  );
}
