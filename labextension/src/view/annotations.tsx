import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { LabError } from '../errors';
import type { IAnnotation } from '../history';
import type { JobModel } from '../model/job';

interface IProps {
  model: JobModel;
  trans: TranslationBundle;
}

/** Writes something down about a job and says when that does not work. */
function useAnnotate(model: JobModel): [(annotation: IAnnotation) => Promise<boolean>, string] {
  const [problem, setProblem] = React.useState('');
  const annotate = (annotation: IAnnotation) =>
    model.annotate(annotation).then(
      () => {
        setProblem('');
        return true;
      },
      reason => {
        const { sentence, hint } = LabError.from(reason);
        setProblem(`${sentence} ${hint}`.trim());
        return false;
      }
    );
  return [annotate, problem];
}

/** Whether it is a favourite: its files are kept. */
export function Favourite({ model, trans }: IProps) {
  const [annotate, problem] = useAnnotate(model);
  const { favourite = false } = model.job ?? {};
  return (
    <button
      type="button"
      className="jp-dllab-Star"
      aria-pressed={favourite}
      aria-label={trans.__('Favourite')}
      title={problem || trans.__('Favourite: found quickly, and its files are kept')}
      onClick={() => void annotate({ favourite: !favourite })}
    >
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path d="M12 2.5l2.9 6.3 6.9.8-5.1 4.7 1.4 6.8L12 17.7l-6.1 3.4 1.4-6.8L2.2 9.6l6.9-.8z" />
      </svg>
    </button>
  );
}

/** Words to find it by. */
export function Tags({ model, trans }: IProps) {
  const [annotate, problem] = useAnnotate(model);
  const [typed, setTyped] = React.useState('');
  const id = React.useId();
  const { tags = [] } = model.job ?? {};
  const add = async (): Promise<void> => {
    const added = typed.split(/[\s,]+/).filter(tag => tag !== '' && !tags.includes(tag));
    if (added.length > 0 && (await annotate({ tags: [...tags, ...new Set(added)] }))) {
      setTyped('');
    }
  };
  return (
    <div className="jp-dllab-Tags" role="group" aria-label={trans.__('Tags')}>
      {tags.map(tag => (
        <span key={tag} className="jp-dllab-Badge" data-kind="tag">
          {tag}
          <button
            type="button"
            aria-label={trans.__('Remove the tag %1', tag)}
            onClick={() => void annotate({ tags: tags.filter(other => other !== tag) })}
          >
            ×
          </button>
        </span>
      ))}
      <input
        type="text"
        className="jp-dllab-Input"
        aria-label={trans.__('Add a tag')}
        aria-describedby={problem ? id : undefined}
        aria-invalid={problem !== ''}
        placeholder={trans.__('Add a tag')}
        value={typed}
        onChange={event => setTyped(event.target.value)}
        onKeyDown={event => {
          if (event.key === 'Enter' || event.key === ',') {
            event.preventDefault();
            void add();
          }
        }}
        onBlur={() => void add()}
      />
      {problem ? (
        <span id={id} className="jp-dllab-Field-error" role="alert">
          {problem}
        </span>
      ) : null}
    </div>
  );
}

/** What somebody wrote about it. */
export function Notes({ model, trans }: IProps) {
  const [annotate, problem] = useAnnotate(model);
  const kept = model.job?.notes ?? '';
  const [typed, setTyped] = React.useState<string | null>(null);
  const id = React.useId();
  const isChanged = typed !== null && typed !== kept;
  const save = async (): Promise<void> => {
    if (isChanged && (await annotate({ notes: typed }))) {
      setTyped(null);
    }
  };
  return (
    <div className="jp-dllab-Notes-form">
      <label htmlFor={id}>{trans.__('Notes')}</label>
      <textarea
        id={id}
        className="jp-dllab-Input"
        rows={4}
        maxLength={20_000}
        aria-invalid={problem !== ''}
        placeholder={trans.__('What was tried, and what came of it')}
        value={typed ?? kept}
        onChange={event => setTyped(event.target.value)}
        onKeyDown={event => {
          event.stopPropagation(); // JupyterLab's own shortcuts are not meant here.
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
            void save();
          }
        }}
      />
      {problem ? (
        <div className="jp-dllab-Field-error" role="alert">
          {problem}
        </div>
      ) : null}
      <button
        type="button"
        className="jp-dllab-Button"
        aria-disabled={!isChanged}
        onClick={() => void save()}
      >
        {trans.__('Save notes')}
      </button>
    </div>
  );
}
