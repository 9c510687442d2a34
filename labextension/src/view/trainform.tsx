import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';
import { type DraftField, gpusOf } from '../model/draft';
import type { TrainForm } from '../model/trainform';
import { Field, type IControl } from './field';
import { Trouble } from './notice';
import { Volumes } from './volumes';

interface IProps {
  form: TrainForm;
  /** Submit, and show the job. */
  submit: () => void;
  openLogs: (id: string) => void;
  trans: TranslationBundle;
}

/** As they follow each other. */
const ORDER: DraftField[] = [
  'path',
  'args',
  'name',
  'image',
  'workers',
  'gpus',
  'every',
  'restarts'
];

/** The form for a new training. */
export function TrainFormView({ form, submit, openLogs, trans }: IProps) {
  const { catalog, draft, problems } = form;
  const id = React.useId();
  const at = (field: string) => `${id}-${field}`;
  // The page draws after each change, but a control must show what is typed at once.
  const [, typed] = React.useState(draft);
  const set = (field: DraftField, value: string) => {
    form.set(field, value);
    typed(form.draft);
  };
  const props = (field: DraftField) => ({
    id: at(field),
    error: problems[field] ?? ''
  });
  const text = (field: DraftField, more: React.InputHTMLAttributes<HTMLInputElement> = {}) =>
    function Text(control: IControl) {
      return (
        <input
          type="text"
          className="jp-dllab-Input"
          autoComplete="off"
          spellCheck={false}
          value={draft[field]}
          onChange={event => set(field, event.target.value)}
          {...more}
          {...control}
        />
      );
    };
  const whole = (field: DraftField, min: number, max?: number) =>
    text(field, { type: 'number', min, max, step: 1, inputMode: 'numeric' });

  React.useEffect(() => {
    const wrong = ORDER.find(field => problems[field]);
    if (wrong !== undefined) {
      document.getElementById(at(wrong))?.focus();
    }
  }, [form.refusals]);

  return (
    <form
      className="jp-dllab-Form"
      aria-label={trans.__('New training')}
      noValidate
      onSubmit={event => {
        event.preventDefault();
        submit();
      }}
    >
      <h2>{trans.__('New training')}</h2>
      <p className="jp-dllab-dim">
        {trans.__(
          'Runs a Python file of your lab on one or more workers. It goes on when you close this tab, the notebook or the browser.'
        )}
      </p>
      <Trouble model={form} trans={trans} />
      <Field
        {...props('path')}
        label={trans.__('Python file')}
        hint={trans.__(
          'From the root of your files. Modules beside it that it imports travel along.'
        )}
      >
        {text('path', { list: at('scripts'), placeholder: 'train.py' })}
      </Field>
      <datalist id={at('scripts')}>
        {form.scripts.map(script => (
          <option key={script} value={script} />
        ))}
      </datalist>
      <Field
        {...props('args')}
        label={trans.__('Arguments')}
        hint={trans.__('What the file finds in sys.argv.')}
      >
        {text('args', { placeholder: '--lr 0.1' })}
      </Field>
      <Field
        {...props('name')}
        label={trans.__('Name')}
        hint={trans.__('The job’s id starts with it.')}
      >
        {text('name', { maxLength: 40 })}
      </Field>
      <Field {...props('image')} label={trans.__('Image')} hint={imageHint(form)}>
        {control => (
          <HTMLSelect
            {...control}
            value={form.image}
            disabled={catalog === null}
            onChange={event => set('image', event.target.value)}
          >
            {(catalog?.images ?? []).map(({ name, title }) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </HTMLSelect>
        )}
      </Field>
      <div className="jp-dllab-Form-pair">
        <Field
          {...props('workers')}
          label={trans.__('Workers')}
          hint={trans.__('Processes that train together.')}
        >
          {whole('workers', 1, catalog?.max_replicas)}
        </Field>
        <Field
          {...props('gpus')}
          label={trans.__('GPUs per worker')}
          hint={trans.__('0 trains on the CPU.')}
        >
          {whole('gpus', 0, catalog?.max_gpus)}
        </Field>
      </div>
      <p className="jp-dllab-Form-forecast" data-answer={form.forecast?.answer} role="status">
        {forecast(form, trans)}
      </p>
      <div className="jp-dllab-Form-pair">
        <Field
          {...props('every')}
          label={trans.__('Checkpoint every … steps')}
          hint={trans.__('For code that uses Checkpointer.')}
        >
          {whole('every', 1)}
        </Field>
        <Field
          {...props('restarts')}
          label={trans.__('Restarts')}
          hint={trans.__('How often a crash is answered with a new start.')}
        >
          {whole('restarts', 0, 100)}
        </Field>
      </div>
      <Volumes form={form} trans={trans} />
      <Outcome form={form} openLogs={openLogs} trans={trans} />
      <button
        type="submit"
        className="jp-dllab-Button jp-dllab-mod-main"
        aria-disabled={form.isBusy}
      >
        {form.isBusy ? trans.__('Submitting…') : trans.__('Start training')}
      </button>
    </form>
  );
}

function imageHint({ catalog, image }: TrainForm): string {
  return catalog?.images.find(({ name }) => name === image)?.description ?? '';
}

/** How many GPUs are asked for in all, and what that would meet. */
function forecast({ draft, forecast }: TrainForm, trans: TranslationBundle): string {
  if (forecast === null) {
    return '';
  }
  const all = gpusOf(draft) ?? 0;
  return all === 0
    ? forecast.message
    : `${trans._n('%1 GPU in all.', '%1 GPUs in all.', all)} ${forecast.message}`;
}

/** What became of the last submission. */
function Outcome({ form, openLogs, trans }: Omit<IProps, 'submit'>) {
  const { failure, job } = form;
  if (failure !== null) {
    return (
      <div className="jp-dllab-Trouble" role="alert">
        <p>{failure.sentence}</p>
        {failure.hint ? <p className="jp-dllab-dim">{failure.hint}</p> : null}
      </div>
    );
  }
  return (
    <div role="status">
      {job === null ? null : (
        <p>
          {trans.__('%1 is submitted.', job.id)}{' '}
          <button type="button" className="jp-dllab-Button" onClick={() => openLogs(job.id)}>
            {trans.__('Open logs')}
          </button>
        </p>
      )}
    </div>
  );
}
