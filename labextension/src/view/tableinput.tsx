import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { MOST_ROWS } from '../model/table';
import type { TableForm } from '../model/tableform';
import type { IColumn } from '../model/ways';

interface IProps {
  table: TableForm;
  /** Send the request that the cells make. */
  send: () => void;
  trans: TranslationBundle;
}

/** A request as cells: a row for each instance. */
export function TableInput({ table, send, trans }: IProps) {
  const id = React.useId();
  const { columns, cut, flaw, rows } = table;
  // The page draws after each change, but a cell must show what is typed at once.
  const [, draw] = React.useReducer((count: number) => count + 1, 0);
  const cell = (row: number, column: number) =>
    document.getElementById(`${id}-${row}-${column}`) as HTMLInputElement | null;
  React.useEffect(() => {
    if (flaw !== null) {
      cell(flaw.row, flaw.column)?.focus();
    }
  }, [table.refusals]);
  const onKey = (event: React.KeyboardEvent, row: number, column: number): void => {
    const down = { ArrowUp: -1, ArrowDown: 1, Enter: 1 }[event.key] ?? 0;
    if (event.key === 'Enter' && (event.shiftKey || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      send();
    } else if (down !== 0) {
      event.preventDefault();
      cell(row + down, column)?.focus();
    }
  };
  return (
    <div className="jp-dllab-TableInput">
      <div className="jp-dllab-TableInput-scroll">
        <table>
          <caption className="jp-dllab-forReaders">{trans.__('Request, as a table')}</caption>
          <thead>
            <tr>
              <td />
              {columns.map(({ head }) => (
                <th key={head} scope="col">
                  {head}
                </th>
              ))}
              <td />
            </tr>
          </thead>
          <tbody>
            {rows.map((cells, row) => (
              <tr key={row}>
                <th scope="row">{row}</th>
                {columns.map(({ head }, column) => {
                  const wrong = flaw?.row === row && flaw.column === column;
                  return (
                    <td key={head}>
                      <input
                        id={`${id}-${row}-${column}`}
                        type="text"
                        className="jp-dllab-Input"
                        autoComplete="off"
                        spellCheck={false}
                        aria-label={trans.__('Row %1, column %2', row, head)}
                        aria-invalid={wrong}
                        aria-describedby={wrong ? `${id}-wrong` : undefined}
                        value={cells[column]}
                        onChange={event => {
                          table.set(row, column, event.target.value);
                          draw();
                        }}
                        onPaste={event => {
                          if (table.paste({ row, column }, event.clipboardData.getData('text'))) {
                            event.preventDefault();
                            draw();
                          }
                        }}
                        onKeyDown={event => onKey(event, row, column)}
                      />
                    </td>
                  );
                })}
                <td>
                  <button
                    type="button"
                    className="jp-dllab-Button"
                    aria-label={trans.__('Remove row %1', row)}
                    title={trans.__('Remove row %1', row)}
                    onClick={() => table.remove(row)}
                  >
                    ×
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div id={`${id}-wrong`} role="alert">
        {flaw === null ? null : (
          <p className="jp-dllab-warn">{flawLabel(flaw.row, columns[flaw.column], trans)}</p>
        )}
        {cut > 0 ? (
          <p className="jp-dllab-warn">
            {trans._n(
              'A table has %2 rows here: %1 row was left out. A program can send more.',
              'A table has %2 rows here: %1 rows were left out. A program can send more.',
              cut,
              MOST_ROWS
            )}
          </p>
        ) : null}
      </div>
      <div className="jp-dllab-actions">
        <button
          type="button"
          className="jp-dllab-Button"
          aria-disabled={rows.length >= MOST_ROWS}
          onClick={() => table.add()}
        >
          {trans.__('Add a row')}
        </button>
        <span className="jp-dllab-dim jp-dllab-Field-hint">
          {trans.__('Cells of a spreadsheet can be pasted.')}
        </span>
      </div>
    </div>
  );
}

/** What a cell lacks. */
function flawLabel(row: number, column: IColumn, trans: TranslationBundle): string {
  return column.datatype === 'BOOL'
    ? trans.__('Row %1, column %2 takes true or false.', row, column.head)
    : trans.__('Row %1, column %2 takes a number, such as 0.5.', row, column.head);
}
