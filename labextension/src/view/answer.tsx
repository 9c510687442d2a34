import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { quantity } from '../format';
import { barRows, type IBarRow } from '../model/answer';
import { type IAnswer, MOST_SHOWN } from '../model/predict';
import { latency } from '../serveformat';
import { CopyButton } from './copy';

/** More rows than can be looked at. */
const ROWS = 10;

interface IProps {
  /** Null before the first. */
  answer: IAnswer | null;
  trans: TranslationBundle;
}

/** What came back: its status and time, its rows as bars, and its JSON. */
export function Answer({ answer, trans }: IProps) {
  return (
    <div className="jp-dllab-Predict-side">
      <div className="jp-dllab-Predict-status" role="status">
        {answer === null ? trans.__('Answer') : statusLabel(answer, trans)}
        {answer?.text ? (
          <CopyButton
            text={answer.text}
            label={trans.__('Copy')}
            title={trans.__('Copy the answer')}
            trans={trans}
          />
        ) : null}
      </div>
      <Bars text={answer?.text ?? ''} trans={trans} />
      <pre className="jp-dllab-Predict-answer" tabIndex={0} aria-label={trans.__('Answer')}>
        {answer !== null && answer.error === null ? (
          answer.text.slice(0, MOST_SHOWN)
        ) : (
          <span className="jp-dllab-dim">
            {answer === null
              ? trans.__('Send the request to see the answer.')
              : trans.__('There is no prediction: what is wrong stands below the request.')}
          </span>
        )}
      </pre>
      {answer !== null && answer.text.length > MOST_SHOWN ? (
        <p className="jp-dllab-dim">
          {trans.__('Only the beginning of the answer is shown; “Copy” copies all of it.')}
        </p>
      ) : null}
    </div>
  );
}

/** The rows of an answer as bars, where they can be. */
export function Bars({ text, trans }: { text: string; trans: TranslationBundle }) {
  const rows = React.useMemo(() => barRows(text), [text]);
  if (rows.length === 0) {
    return null;
  }
  return (
    <div className="jp-dllab-Bars" tabIndex={0} role="group" aria-label={trans.__('Rows')}>
      {rows.slice(0, ROWS).map(row => (
        <Row key={`${row.output} ${row.row}`} row={row} several={rows.length > 1} trans={trans} />
      ))}
      {rows.length > ROWS ? (
        <p className="jp-dllab-dim">
          {trans._n(
            'And %1 more row, in the JSON below.',
            'And %1 more rows, in the JSON below.',
            rows.length - ROWS
          )}
        </p>
      ) : null}
    </div>
  );
}

function Row(props: { row: IBarRow; several: boolean; trans: TranslationBundle }) {
  const { row, several, trans } = props;
  const named = row.output
    ? trans.__('%1, row %2', row.output, row.row)
    : trans.__('Row %1', row.row);
  return (
    <table className="jp-dllab-Bars-row">
      {several || row.output ? <caption>{named}</caption> : null}
      <thead className="jp-dllab-forReaders">
        <tr>
          <th scope="col">{trans.__('Place')}</th>
          <th scope="col">{trans.__('Bar')}</th>
          <th scope="col">{trans.__('Value')}</th>
        </tr>
      </thead>
      <tbody>
        {row.bars.map(({ index, value, share, isLargest }) => (
          <tr key={index} data-largest={isLargest || undefined}>
            <th scope="row">{index}</th>
            <td className="jp-dllab-Bars-track" aria-hidden="true">
              <div
                className="jp-dllab-Bars-fill"
                data-negative={value < 0 || undefined}
                style={{ width: `${100 * share}%` }}
              />
            </td>
            <td className="jp-dllab-Bars-value">
              {quantity(value, 'number')}
              {isLargest ? <span> {trans.__('largest')}</span> : null}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** How it went and how long it took. */
export function statusLabel({ status, milliseconds }: IAnswer, trans: TranslationBundle): string {
  const time = latency(milliseconds / 1000, trans);
  return status === 0 ? trans.__('No answer, %1', time) : trans.__('Status %1, %2', status, time);
}
