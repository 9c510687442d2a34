import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { IPlace } from '../model/code';
import type { DraftField } from '../model/draft';
import type { QuoteModel } from '../model/quote';
import type { TrainForm } from '../model/trainform';
import { Field } from './field';
import { Findings } from './findings';
import { Trouble } from './notice';
import { PriceTag } from './pricetag';
import { TrainCode } from './traincode';
import { useFields } from './trainfields';
import { TrainMore } from './trainmore';
import { TrainRoles } from './trainroles';
import { Volumes } from './volumes';

interface IProps {
  form: TrainForm;
  quote: QuoteModel;
  /** Submit, and show the job. */
  submit: () => void;
  openLogs: (id: string) => void;
  /** Show a line of a file or notebook. */
  openPlace: (place: IPlace) => void;
  trans: TranslationBundle;
}

/** As they follow each other. */
const ORDER: DraftField[] = [
  'path',
  'notebook',
  'cells',
  'args',
  'name',
  'target',
  'image',
  'strategy',
  'workers',
  'servers',
  'gpus',
  'cpus',
  'memory',
  'limit',
  'priority',
  'every',
  'restarts'
];

/** The form for a new training, or for one that is run again. */
export function TrainFormView({ form, quote, submit, openLogs, openPlace, trans }: IProps) {
  const { catalog, old, step } = form;
  const fields = useFields(form, ORDER);
  const title = old === null ? trans.__('New training') : trans.__('Run %1 again', old.id);
  return (
    <form
      className="jp-dllab-Form"
      aria-label={title}
      noValidate
      onSubmit={event => {
        event.preventDefault();
        submit();
      }}
    >
      <h2>{title}</h2>
      <p className="jp-dllab-dim">
        {old === null
          ? trans.__(
              'Runs code of your lab on one or more workers. It goes on when you close this tab, the notebook or the browser.'
            )
          : trans.__('A new job with the same wish. Change what is to be different.')}
      </p>
      <Trouble model={form} trans={trans} />
      <TrainCode {...{ form, fields, openPlace, trans }} />
      <Field
        {...fields.props('args')}
        label={trans.__('Arguments')}
        hint={trans.__('What the code finds in sys.argv.')}
      >
        {fields.text('args', { placeholder: '--lr 0.1' })}
      </Field>
      <Field
        {...fields.props('name')}
        label={trans.__('Name')}
        hint={trans.__('The job’s id starts with it.')}
      >
        {fields.text('name', { maxLength: 40 })}
      </Field>
      {form.places.all.length > 0 ? (
        <Field {...fields.props('target')} label={trans.__('Where')}>
          {control => (
            <HTMLSelect
              {...control}
              value={form.places.meant?.name}
              onChange={event => fields.set('target', event.target.value)}
            >
              {form.places.all.map(({ name, title }) => (
                <option key={name} value={name}>
                  {title}
                </option>
              ))}
            </HTMLSelect>
          )}
        </Field>
      ) : null}
      <Field {...fields.props('image')} label={trans.__('Image')} hint={imageHint(form)}>
        {control => (
          <HTMLSelect
            {...control}
            value={form.image}
            disabled={catalog === null}
            onChange={event => fields.set('image', event.target.value)}
          >
            {form.places.images.map(({ name, title }) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </HTMLSelect>
        )}
      </Field>
      <TrainRoles {...{ form, fields, trans }} />
      <Volumes form={form} trans={trans} />
      <TrainMore {...{ form, fields, trans }} />
      <PriceTag model={quote} trans={trans} />
      <Outcome {...{ form, openLogs, openPlace, trans }} />
      <div className="jp-dllab-Form-end">
        <button
          type="submit"
          className="jp-dllab-Button jp-dllab-mod-main"
          aria-disabled={step !== null}
        >
          {step === 'submitting' ? trans.__('Submitting…') : trans.__('Start training')}
        </button>
        <button
          type="button"
          className="jp-dllab-Button"
          aria-disabled={step !== null}
          title={trans.__('Look for what would make it fail at once. Nothing is started.')}
          onClick={() => void form.check()}
        >
          {step === 'checking' ? trans.__('Checking…') : trans.__('Check')}
        </button>
      </div>
    </form>
  );
}

function imageHint({ catalog, image }: TrainForm): string {
  return catalog?.images.find(({ name }) => name === image)?.description ?? '';
}

/** What became of the last try. */
function Outcome({ form, openLogs, openPlace, trans }: Omit<IProps, 'submit' | 'quote'>) {
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
      <Findings {...{ form, openPlace, trans }} />
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
