import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { clock, count, quantity } from '../format';
import {
  type Axis,
  canBeLog,
  columnsOf,
  forLog,
  hasSteps,
  type IChart,
  summaryOf
} from '../model/charts';
import { Plot } from './plot';

/** How charts are drawn. */
export interface IDrawing {
  axis: Axis;
  isLog: boolean;
  /** How smooth, 0 to below 1. */
  weight: number;
  /** Whether the numbers stand below each chart. */
  numbers: boolean;
}

interface IProps {
  chart: IChart;
  drawing: IDrawing;
  /** Of each job: what times are counted from. */
  began: readonly number[];
  /** When attempts began, seconds since `began` of the first job. */
  marks: readonly number[];
  /** Charts with the same key move together. */
  together: string;
  trans: TranslationBundle;
}

/** One number over steps or time, as a drawing and as numbers. */
export function Chart({ chart, drawing, began, marks, together, trans }: IProps) {
  const { title, unit, series } = chart;
  const axis: Axis = hasSteps(chart) ? drawing.axis : 'time';
  const weight = chart.isUse ? 0 : drawing.weight;
  const columns = React.useMemo(
    () => columnsOf(series, axis, began, weight),
    [series, axis, weight, began.join()]
  );
  const isLog = drawing.isLog && !chart.isUse && canBeLog(columns);
  const drawn = React.useMemo(() => (isLog ? forLog(columns) : columns), [columns, isLog]);
  const text = (value: number) => quantity(value, unit);
  const rows = summaryOf(chart);
  const words = rows.map(({ label, last }) => {
    const value = last === null ? trans.__('not a number') : text(last);
    return label ? `${label} ${value}` : value;
  });
  return (
    <figure className="jp-dllab-Chart">
      <figcaption>
        <strong>{title}</strong>
        {rows.length === 1 ? <span className="jp-dllab-dim"> {words[0]}</span> : null}
      </figcaption>
      <Plot
        columns={drawn}
        along={axis === 'step' ? trans.__('Step') : trans.__('Time')}
        unit={unit}
        isTime={axis === 'time'}
        fromZero={chart.isUse}
        labels={series.map(({ label }) => label || title)}
        label={trans.__('%1, newest values: %2', title, words.join(', '))}
        text={text}
        place={axis === 'step' ? value => count(value) : clock}
        isLog={isLog}
        marks={axis === 'time' ? marks : []}
        together={`${together}:${axis}`}
      />
      {drawing.numbers ? (
        <table className="jp-dllab-Replicas">
          <thead>
            <tr>
              <th scope="col">{title}</th>
              <th scope="col">{trans.__('Newest')}</th>
              <th scope="col">{trans.__('Least')}</th>
              <th scope="col">{trans.__('Most')}</th>
              <th scope="col">{trans.__('Step')}</th>
              <th scope="col">{trans.__('Points')}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ label, last, least, most, step, points }) => (
              <tr key={label}>
                <th scope="row">{label || title}</th>
                {[last, least, most].map((value, at) => (
                  <td key={at}>{value === null ? '–' : text(value)}</td>
                ))}
                <td>{step === null ? '–' : count(step)}</td>
                <td>{points}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : null}
    </figure>
  );
}
