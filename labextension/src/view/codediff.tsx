import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { ICodeDiff, IDiffLine } from '../history';

interface IProps {
  diff: ICodeDiff;
  /** Id of the job on the left. */
  first: string;
  trans: TranslationBundle;
}

/** A file of two jobs side by side. */
export function CodeDiff({ diff, first, trans }: IProps) {
  const { binary, job, lines, more, path } = diff;
  if (binary) {
    // No text, gone, or too long to be compared.
    return (
      <p className="jp-dllab-dim">
        {trans.__('%1 of %2 differs from that of %3.', path, job, first)}
      </p>
    );
  }
  return (
    <details open className="jp-dllab-Diff">
      <summary>{trans.__('%1 of %2 and %3', path, first, job)}</summary>
      {lines.length > 0 ? (
        <div className="jp-dllab-Wide" tabIndex={0}>
          <table>
            <colgroup>
              <col className="jp-dllab-Diff-number" />
              <col />
              <col className="jp-dllab-Diff-number" />
              <col />
            </colgroup>
            <thead className="jp-dllab-hidden">
              <tr>
                <th scope="col">{trans.__('Line')}</th>
                <th scope="col">{first}</th>
                <th scope="col">{trans.__('Line')}</th>
                <th scope="col">{job}</th>
              </tr>
            </thead>
            <tbody>
              {lines.map((line, at) => (
                <Line key={at} line={line} trans={trans} />
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
      {more > 0 ? (
        <p className="jp-dllab-dim">{trans._n('%1 more line', '%1 more lines', more)}</p>
      ) : null}
    </details>
  );
}

function Line({ line, trans }: { line: IDiffLine; trans: TranslationBundle }) {
  const { kind, left, before, right, after } = line;
  if (kind === 'skipped') {
    return (
      <tr data-kind={kind}>
        <td colSpan={4}>{trans.__('%1 equal lines', before)}</td>
      </tr>
    );
  }
  // A sign as well as a colour.
  const isOld = kind === 'removed' || kind === 'changed';
  const isNew = kind === 'added' || kind === 'changed';
  return (
    <tr data-kind={kind}>
      <td>{left ?? ''}</td>
      <td data-side={isOld ? 'old' : undefined}>
        {isOld ? '- ' : '  '}
        {before}
      </td>
      <td>{right ?? ''}</td>
      <td data-side={isNew ? 'new' : undefined}>
        {isNew ? '+ ' : '  '}
        {after}
      </td>
    </tr>
  );
}
