import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { EMPTY, isShown, RARE } from '../model/draft';
import type { TrainForm } from '../model/trainform';
import { Field } from './field';
import type { IFieldControls } from './trainfields';

interface IProps {
  form: TrainForm;
  fields: IFieldControls;
  trans: TranslationBundle;
}

/** What few people need: closed, unless something stands there that is not what all begin with. */
export function TrainMore({ form, fields, trans }: IProps) {
  const { draft, problems } = form;
  const id = React.useId();
  const [open, setOpen] = React.useState(() => RARE.some(field => draft[field] !== EMPTY[field]));
  const isWrong = RARE.some(field => problems[field]);
  React.useEffect(() => setOpen(open || isWrong), [form.refusals]);
  const check = (field: 'reboot' | 'relaunch', label: string) => (
    <label className="jp-dllab-Form-check" htmlFor={`${id}-${field}`}>
      <input
        id={`${id}-${field}`}
        type="checkbox"
        checked={draft[field] !== ''}
        onChange={event => fields.set(field, event.target.checked ? 'yes' : '')}
      />
      {label}
    </label>
  );
  return (
    <details
      className="jp-dllab-Form-more"
      open={open || isWrong}
      onToggle={event => setOpen(event.currentTarget.open)}
    >
      <summary>{trans.__('More')}</summary>
      <div className="jp-dllab-Form-pair">
        {isShown('cpus', draft) ? (
          <>
            <Field
              {...fields.props('cpus')}
              label={trans.__('CPUs each')}
              hint={trans.__('Empty: one for each process is counted.')}
            >
              {fields.text('cpus', { inputMode: 'decimal' })}
            </Field>
            <Field
              {...fields.props('memory')}
              label={trans.__('Memory each')}
              hint={trans.__('Who uses more is ended. Empty: no limit.')}
            >
              {fields.text('memory', { placeholder: '4 GiB' })}
            </Field>
          </>
        ) : null}
        <Field
          {...fields.props('limit')}
          label={trans.__('Time limit')}
          hint={trans.__('Of running, pauses left out. Empty: none.')}
        >
          {fields.text('limit', { placeholder: '2 h' })}
        </Field>
        <Field
          {...fields.props('priority')}
          label={trans.__('Priority')}
          hint={trans.__('Of your waiting jobs the higher one starts first.')}
        >
          {fields.whole('priority', -100, 100)}
        </Field>
        <Field
          {...fields.props('every')}
          label={trans.__('Checkpoint every … steps')}
          hint={trans.__('For code that uses Checkpointer.')}
        >
          {fields.whole('every', 1)}
        </Field>
        <Field
          {...fields.props('restarts')}
          label={trans.__('Restarts')}
          hint={trans.__('How often a crash is answered with a new start.')}
        >
          {fields.whole('restarts', 0, 100)}
        </Field>
        <Field
          {...fields.props('silence')}
          label={trans.__('Stalled after')}
          hint={trans.__('Of silence: no line, no step. Empty: never.')}
        >
          {fields.text('silence', { placeholder: '30 min' })}
        </Field>
        <Field
          {...fields.props('tags')}
          label={trans.__('Tags')}
          hint={trans.__('Words to find the run by.')}
        >
          {fields.text('tags', { placeholder: 'baseline lr/0.1' })}
        </Field>
      </div>
      {check('relaunch', trans.__('Relaunch it from its checkpoint when it has stalled'))}
      {check('reboot', trans.__('Start it again when the machine was rebooted'))}
    </details>
  );
}
