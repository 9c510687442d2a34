import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';
import { ago, quantity } from '../format';
import type { CanaryField, CanaryForm } from '../model/canary';
import { type ICanary, type IModelVersion, MAX_REPLICAS } from '../serving';
import { Field, type IControl, useFocusOn } from './field';
import { FormTrouble } from './notice';

interface IProps {
  form: CanaryForm;
  /** The one that there is, or null. */
  canary: ICanary | null;
  /** Versions that could be it, newest first. */
  others: readonly IModelVersion[];
  trans: TranslationBundle;
}

/** How much another version gets, and when it gets nothing more; starts one or changes it. */
export function CanaryFields({ form, canary, others, trans }: IProps) {
  const id = React.useId();
  const { busy, draft, error, field } = form;
  // The page draws after each change, but a control must show what is typed at once.
  const [, draw] = React.useReducer((count: number) => count + 1, 0);
  const set = (name: CanaryField, value: string) => {
    form.set(name, value);
    draw();
  };
  useFocusOn(id, field, error);
  const props = (name: CanaryField) => ({
    id: `${id}-${name}`,
    error: field === name ? (error?.sentence ?? flawLabel(name, form, trans)) : ''
  });
  const number = (name: CanaryField, more: React.InputHTMLAttributes<HTMLInputElement>) =>
    function Amount(control: IControl) {
      return (
        <input
          {...control}
          {...more}
          type="number"
          className="jp-dllab-Input"
          value={draft[name]}
          onChange={event => set(name, event.target.value)}
        />
      );
    };
  return (
    <form
      className="jp-dllab-Canary"
      aria-label={canary === null ? trans.__('Start a canary') : trans.__('Change the canary')}
      noValidate
      onSubmit={event => {
        event.preventDefault();
        void form.submit();
      }}
    >
      <h3>
        {canary === null
          ? trans.__('Try another version on a part of the requests')
          : trans.__('Change its part')}
      </h3>
      <div className="jp-dllab-Form-pair">
        {canary === null ? (
          <Field {...props('version')} label={trans.__('Version')}>
            {control => (
              <HTMLSelect
                {...control}
                value={draft.version}
                onChange={event => set('version', event.target.value)}
              >
                <option value="">{trans.__('Choose a version')}</option>
                {others.map(version => (
                  <option key={version.version} value={version.version}>
                    {versionLabel(version, trans)}
                  </option>
                ))}
              </HTMLSelect>
            )}
          </Field>
        ) : null}
        <Field
          {...props('percent')}
          label={trans.__('Percent of the requests')}
          hint={trans.__('Drawn by lot. With 0 it is there to be compared only.')}
        >
          {control => (
            <div className="jp-dllab-Canary-percent">
              <input
                type="range"
                min={0}
                max={99}
                step={1}
                value={draft.percent}
                aria-label={trans.__('Percent of the requests, as a slider')}
                onChange={event => set('percent', event.target.value)}
              />
              {number('percent', { min: 0, max: 99, step: 1 })(control)}
            </div>
          )}
        </Field>
        <Field
          {...props('errors')}
          label={trans.__('Roll back above … % errors')}
          hint={trans.__('Of its own answers. Empty: whatever it does.')}
        >
          {number('errors', { min: 0, max: 100, step: 'any' })}
        </Field>
        <Field
          {...props('slowdown')}
          label={trans.__('Roll back when … times as slow')}
          hint={trans.__('As the other version. Empty: however slow it is.')}
        >
          {number('slowdown', { min: 1, max: 100, step: 'any' })}
        </Field>
        <Field
          {...props('replicas')}
          label={trans.__('Replicas of it')}
          hint={trans.__('Beside those that there are.')}
        >
          {number('replicas', { min: 1, max: MAX_REPLICAS, step: 1 })}
        </Field>
      </div>
      <FormTrouble form={form} />
      <button
        type="submit"
        className="jp-dllab-Button jp-dllab-mod-main"
        aria-disabled={busy}
        aria-live="polite"
      >
        {busy
          ? trans.__('Waiting…')
          : canary === null
            ? trans.__('Start canary')
            : trans.__('Change')}
      </button>
    </form>
  );
}

/** A version among others: its number, how old it is and how good it was. */
function versionLabel(
  { version, created, metrics = {} }: IModelVersion,
  trans: TranslationBundle
): string {
  const [first] = Object.entries(metrics);
  const age = ago(created, Date.now() / 1000, trans);
  return first === undefined
    ? trans.__('%1 (%2)', version, age)
    : trans.__('%1 (%2, %3)', version, age, `${first[0]} ${quantity(first[1], 'number')}`);
}

/** What a field lacks that cannot be sent as it is. */
function flawLabel(field: CanaryField, form: CanaryForm, trans: TranslationBundle): string {
  const { least, most, whole } = form.bounds(field);
  if (field === 'version') {
    return trans.__('Choose a version.');
  }
  return whole
    ? trans.__('Give a whole number from %1 to %2.', least, most)
    : trans.__('Give a number from %1 to %2, or nothing.', least, most);
}
