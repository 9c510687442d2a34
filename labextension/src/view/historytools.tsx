import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { isRemovable, MOST_COMPARED, type RunsModel } from '../model/runs';
import type { IJobActions } from './actions';

/** What can be done with the runs that are marked, or with all that are wanted. */
export interface IHistoryTools {
  tag(): void;
  removeFiles(): void;
  remove(): void;
  /** Of those that are marked, or of all that are wanted when none is. */
  export(): void;
  import(): void;
  /** What is under way, or empty. */
  readonly busy: string;
}

interface IProps {
  model: RunsModel;
  actions: IJobActions;
  tools: IHistoryTools;
  trans: TranslationBundle;
}

/** Buttons above the list; each can be reached, so that the reason why it is off can be heard. */
export function HistoryTools({ model, actions, tools, trans }: IProps) {
  const { chosen, marked } = model;
  const many = marked.length;
  const none = many === 0 ? trans.__('Mark some runs first.') : '';
  const open = chosen.some(job => !isRemovable(job))
    ? trans.__('Only runs that have ended can be removed.')
    : '';
  const buttons: [string, string, string, () => void][] = [
    [
      many > 1 ? trans.__('Compare %1', many) : trans.__('Compare'),
      trans.__('Show their curves, settings and code beside each other'),
      many < 2 || many > MOST_COMPARED ? trans.__('Mark 2 to %1 runs first.', MOST_COMPARED) : '',
      () => actions.compare(marked)
    ],
    [trans.__('Tag…'), trans.__('Add a tag to those that are marked'), none, () => tools.tag()],
    [
      trans.__('Remove files…'),
      trans.__('Remove the files of those that are marked; what is known of them stays'),
      none || open,
      () => tools.removeFiles()
    ],
    [
      trans.__('Delete…'),
      trans.__('Remove those that are marked and all that is known of them'),
      none || open,
      () => tools.remove()
    ],
    [
      many > 0 ? trans.__('Export %1', many) : trans.__('Export'),
      many > 0
        ? trans.__('Save what is known of those that are marked as a file')
        : trans.__('Save what is known of all ended runs that are wanted as a file'),
      '',
      () => tools.export()
    ],
    [
      trans.__('Import…'),
      trans.__('Add runs from a file that was exported elsewhere'),
      '',
      () => tools.import()
    ],
    [
      trans.__('Notifications…'),
      trans.__('How you are told of what became of your jobs'),
      '',
      () => actions.openNotices()
    ]
  ];
  return (
    <div className="jp-dllab-actions" role="toolbar" aria-label={trans.__('What can be done')}>
      {buttons.map(([label, title, problem, execute]) => (
        <button
          key={label}
          type="button"
          className="jp-dllab-Button"
          aria-disabled={problem !== '' || tools.busy !== ''}
          aria-description={problem || title}
          title={problem || title}
          onClick={() => {
            if (problem === '' && tools.busy === '') {
              execute();
            }
          }}
        >
          {label}
        </button>
      ))}
      <span className="jp-dllab-dim" role="status">
        {tools.busy || (many > 0 ? trans._n('%1 is marked', '%1 are marked', many) : '')}
      </span>
    </div>
  );
}
