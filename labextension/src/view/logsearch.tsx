import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { percent } from '../format';
import type { LogSearch } from '../model/search';

interface IProps {
  search: LogSearch;
  /** Go to the next match, or to the one before. */
  go: (step: 1 | -1) => void;
  trans: TranslationBundle;
}

/** Looks for a text in all of a log: Enter goes on, with Shift back. */
export function SearchBar({ search, go, trans }: IProps) {
  const [typed, setTyped] = React.useState(search.text);
  const isOff = typed === '' || search.isRunning;
  const buttons: [1 | -1, string, string][] = [
    [-1, '↑', trans.__('Previous match')],
    [1, '↓', trans.__('Next match')]
  ];
  return (
    <span className="jp-dllab-LogSearch" role="search">
      <input
        type="search"
        className="jp-dllab-Input"
        aria-label={trans.__('Look for a text in the whole log')}
        placeholder={trans.__('Search the log')}
        maxLength={200}
        value={typed}
        onChange={event => {
          setTyped(event.target.value);
          search.set(event.target.value);
        }}
        onKeyDown={event => {
          if (event.key === 'Enter') {
            event.preventDefault();
            go(event.shiftKey ? -1 : 1);
          }
        }}
      />
      {buttons.map(([step, sign, words]) => (
        <button
          key={step}
          type="button"
          className="jp-dllab-Button"
          aria-label={words}
          title={words}
          aria-disabled={isOff}
          onClick={() => isOff || go(step)}
        >
          {sign}
        </button>
      ))}
      <span className="jp-dllab-dim" role="status">
        {found(search, trans)}
      </span>
    </span>
  );
}

function found(search: LogSearch, trans: TranslationBundle): string {
  const { at, error, isOver, isRunning, matches, through } = search;
  if (error !== null) {
    return error.sentence;
  }
  if (isRunning) {
    return through === null || through >= 1
      ? trans.__('Looking…')
      : trans.__('Looking… %1 %', percent(through));
  }
  if (through === null) {
    return '';
  }
  if (matches.length === 0) {
    return isOver
      ? trans.__('Not found')
      : trans.__('Not found in the first %1 %', percent(through));
  }
  return trans.__('%1 of %2', at + 1, isOver ? matches.length : `${matches.length}+`);
}
