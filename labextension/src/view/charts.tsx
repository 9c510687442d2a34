import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';
import { percent } from '../format';
import { chartsOf, hasSteps, type IDrawn } from '../model/charts';
import type { Live } from '../model/live';
import { Chart, type IDrawing } from './chart';
import { Notice, Trouble } from './notice';

/** More charts than a person looks at are shown when asked for. */
const MANY = 24;

interface IProps {
  /** What they are read by. */
  model: Live;
  jobs: readonly IDrawn[];
  /** Part of the event files that has been read, 0 to 1. */
  read: number;
  /** What could not be read. */
  notes: readonly string[];
  /** When attempts began, seconds since the epoch. */
  attempts: readonly number[];
  /** Which charts move together. */
  together: string;
  /** Said when nothing was reported. */
  empty: string;
  trans: TranslationBundle;
}

/** All curves of a job, or of several, and how they are drawn. */
export function Charts(props: IProps) {
  const { model, jobs, read, notes, attempts, together, empty, trans } = props;
  const [drawing, setDrawing] = React.useState<IDrawing>({
    axis: 'step',
    isLog: false,
    weight: 0,
    numbers: false
  });
  const [wanted, setWanted] = React.useState('');
  const [most, setMost] = React.useState(MANY);
  const all = React.useMemo(() => chartsOf(jobs), [jobs]);
  const words = wanted.toLowerCase().split(/\s+/);
  const charts = all.filter(({ title }) => words.every(word => title.toLowerCase().includes(word)));
  const began = jobs.map(({ began, curves }) => began ?? first(curves));
  const marks = attempts.map(time => time - began[0]).filter(time => time > 0);
  const change = (change: Partial<IDrawing>) => setDrawing({ ...drawing, ...change });
  return (
    <>
      <div className="jp-dllab-LogBar" role="toolbar" aria-label={trans.__('Curves')}>
        {all.some(hasSteps) ? (
          <HTMLSelect
            aria-label={trans.__('Along')}
            value={drawing.axis}
            onChange={event => change({ axis: event.target.value as IDrawing['axis'] })}
          >
            <option value="step">{trans.__('By step')}</option>
            <option value="time">{trans.__('By time')}</option>
          </HTMLSelect>
        ) : null}
        <HTMLSelect
          aria-label={trans.__('Smoothing')}
          value={String(drawing.weight)}
          onChange={event => change({ weight: Number(event.target.value) })}
        >
          <option value="0">{trans.__('Not smoothed')}</option>
          <option value="0.6">{trans.__('Smoothed')}</option>
          <option value="0.95">{trans.__('Strongly smoothed')}</option>
        </HTMLSelect>
        <Toggle
          label={trans.__('Log scale')}
          title={trans.__('Draw metrics on a logarithmic scale')}
          value={drawing.isLog}
          set={isLog => change({ isLog })}
        />
        <Toggle
          label={trans.__('Numbers')}
          title={trans.__('Show newest, least and most values below each chart')}
          value={drawing.numbers}
          set={numbers => change({ numbers })}
        />
        {all.length > 4 ? (
          <input
            type="search"
            className="jp-dllab-Input jp-dllab-LogBar-search"
            aria-label={trans.__('Show only curves whose name holds')}
            placeholder={trans.__('Name')}
            value={wanted}
            onChange={event => setWanted(event.target.value)}
          />
        ) : null}
        {read < 1 ? (
          <span className="jp-dllab-dim" role="status">
            {trans.__('%1 % of the event files are read', percent(read))}
          </span>
        ) : null}
      </div>
      <Trouble model={model} trans={trans} />
      {notes.length > 0 ? (
        <ul className="jp-dllab-list jp-dllab-Notes">
          {notes.map(note => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      ) : null}
      {all.every(({ isUse }) => isUse) && read >= 1 && model.error === null ? (
        <Notice message={empty} />
      ) : null}
      <div className="jp-dllab-Charts">
        {charts.slice(0, most).map(chart => (
          <Chart key={chart.key} {...{ chart, drawing, began, marks, together, trans }} />
        ))}
      </div>
      {charts.length > most ? (
        <button
          type="button"
          className="jp-dllab-Button jp-dllab-more"
          onClick={() => setMost(most + MANY)}
        >
          {trans.__('Show more (%1)', charts.length - most)}
        </button>
      ) : null}
    </>
  );
}

/** When the first curve begins. */
function first(curves: IDrawn['curves']): number {
  return curves.reduce((least, { times }) => Math.min(least, times[0] ?? Infinity), Infinity);
}

/** A button that stays pressed. */
export function Toggle(props: {
  label: string;
  title: string;
  value: boolean;
  set: (value: boolean) => void;
}) {
  return (
    <button
      type="button"
      className="jp-dllab-Button"
      aria-pressed={props.value}
      title={props.title}
      onClick={() => props.set(!props.value)}
    >
      {props.label}
    </button>
  );
}
