import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';
import { stateLabel } from '../format';
import { ALL, type IWanted, type RunsModel } from '../model/runs';
import type { JobState } from '../specs';
import { Toggle } from './charts';

const STATES: JobState[] = [
  'PENDING',
  'RUNNING',
  'RESTARTING',
  'PAUSED',
  'SUCCEEDED',
  'FAILED',
  'CANCELLED',
  'LOST'
];

/** What says which runs are shown. */
export function HistoryFilter({ model, trans }: { model: RunsModel; trans: TranslationBundle }) {
  const { wanted } = model;
  // A control must show what is typed at once.
  const [, typed] = React.useState(wanted);
  const want = (change: Partial<IWanted>) => {
    model.want(change);
    typed(model.wanted);
  };
  const text = (key: 'text' | 'name' | 'tag', label: string, placeholder: string) => (
    <input
      type="search"
      className="jp-dllab-Input"
      aria-label={label}
      title={label}
      placeholder={placeholder}
      maxLength={200}
      value={wanted[key]}
      onChange={event => want({ [key]: event.target.value })}
    />
  );
  const isAll = JSON.stringify(wanted) === JSON.stringify(ALL);
  return (
    <div className="jp-dllab-Filter" role="search" aria-label={trans.__('Which runs are shown')}>
      {text(
        'text',
        trans.__('Words in id, tags, notes, reason, image, arguments or code'),
        trans.__('Search')
      )}
      <HTMLSelect
        aria-label={trans.__('State')}
        value={wanted.state}
        onChange={event => want({ state: event.target.value as IWanted['state'] })}
      >
        <option value="">{trans.__('Any state')}</option>
        {STATES.map(state => (
          <option key={state} value={state}>
            {stateLabel(state, trans)}
          </option>
        ))}
      </HTMLSelect>
      <HTMLSelect
        aria-label={trans.__('Submitted')}
        value={wanted.days}
        onChange={event => want({ days: event.target.value })}
      >
        <option value="">{trans.__('Any time')}</option>
        <option value="1">{trans.__('Last day')}</option>
        <option value="7">{trans.__('Last week')}</option>
        <option value="30">{trans.__('Last 30 days')}</option>
        <option value="365">{trans.__('Last year')}</option>
      </HTMLSelect>
      {text('name', trans.__('The whole name of the job'), trans.__('Name'))}
      {text('tag', trans.__('A tag that it has'), trans.__('Tag'))}
      <Toggle
        label={trans.__('Favourites')}
        title={trans.__('Show favourites only')}
        value={wanted.favourite}
        set={favourite => want({ favourite })}
      />
      {isAll ? null : (
        <button type="button" className="jp-dllab-Button" onClick={() => want(ALL)}>
          {trans.__('Show all')}
        </button>
      )}
    </div>
  );
}
