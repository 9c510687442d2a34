import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { ICallers, IKey } from '../access';
import type { AccessModel } from '../model/access';
import type { CallersForm } from '../model/accessforms';
import { Field, useFocusOn } from './field';
import { Keys, NewKey } from './keys';
import { FormTrouble, Notice, Trouble } from './notice';

interface IProps {
  model: AccessModel;
  /** Have a key open nothing any more; asks first. */
  revoke: (key: IKey) => void;
  trans: TranslationBundle;
}

/** Who may ask a deployment: people of the hub, and programs with a key. */
export function Access({ model, revoke, trans }: IProps) {
  const { access } = model;
  return (
    <div className="jp-dllab-Versions">
      <Trouble model={model} trans={trans} />
      {access === null ? (
        model.error === null ? (
          <Notice message={trans.__('Reading…')} />
        ) : null
      ) : (
        <>
          <Callers form={model.callers} trans={trans} />
          <Keys keys={access.keys} revoke={revoke} trans={trans} />
          <NewKey form={model.key} trans={trans} />
        </>
      )}
    </div>
  );
}

/** People who may ask with a token of their own. */
function Callers({ form, trans }: { form: CallersForm; trans: TranslationBundle }) {
  const id = React.useId();
  const { busy, error, field, who } = form;
  const [, draw] = React.useReducer((count: number) => count + 1, 0);
  const set = (change: Parameters<CallersForm['set']>[0]) => {
    form.set(change);
    draw();
  };
  useFocusOn(id, field, error);
  const choices: Record<ICallers['who'], string> = {
    owner: trans.__('only me'),
    groups: trans.__('people of these groups'),
    everyone: trans.__('everyone in the hub')
  };
  return (
    <form
      className="jp-dllab-Access"
      aria-label={trans.__('Who may ask')}
      noValidate
      onSubmit={event => {
        event.preventDefault();
        void form.submit();
      }}
    >
      <fieldset className="jp-dllab-Choice">
        <legend>{trans.__('Who may ask, with a token of their own')}</legend>
        {(Object.keys(choices) as ICallers['who'][]).map(each => (
          <label key={each}>
            <input
              type="radio"
              name={id}
              checked={who === each}
              onChange={() => set({ who: each })}
            />
            {choices[each]}
          </label>
        ))}
      </fieldset>
      {who === 'groups' ? (
        <Field
          id={`${id}-groups`}
          label={trans.__('Groups of the hub')}
          hint={trans.__('With commas between them. Who joins one of them later may ask as well.')}
          error={
            field === null
              ? ''
              : (error?.sentence ?? trans.__('Name 1 to 50 groups, such as vision, students.'))
          }
        >
          {control => (
            <input
              {...control}
              type="text"
              className="jp-dllab-Input"
              autoComplete="off"
              spellCheck={false}
              value={form.groups}
              onChange={event => set({ groups: event.target.value })}
            />
          )}
        </Field>
      ) : null}
      <FormTrouble form={form} />
      <div className="jp-dllab-actions">
        <button
          type="submit"
          className="jp-dllab-Button jp-dllab-mod-main"
          aria-disabled={busy || !form.isChanged}
        >
          {busy ? trans.__('Waiting…') : trans.__('Save')}
        </button>
        <span className="jp-dllab-dim" role="status">
          {form.isChanged ? trans.__('Not saved yet.') : ''}
        </span>
      </div>
    </form>
  );
}
