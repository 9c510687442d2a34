import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { DeployField } from '../model/deployfields';
import type { DeployForm } from '../model/deployform';
import type { ModelsModel } from '../model/models';
import { tensorLabel } from '../serveformat';
import { Field } from './field';

interface IPartProps {
  form: DeployForm;
  set: DeployForm['set'];
  trans: TranslationBundle;
}

/** Whether a published model or a file is served. */
export function Source({ form, set, trans }: IPartProps) {
  const name = React.useId();
  const choices = [
    { source: 'model', label: trans.__('A published model') },
    { source: 'file', label: trans.__('A model file of the lab') }
  ] as const;
  return (
    <fieldset className="jp-dllab-Choice">
      <legend>{trans.__('What to serve')}</legend>
      {choices.map(({ source, label }) => (
        <label key={source}>
          <input
            type="radio"
            name={name}
            checked={form.source === source}
            onChange={() => set({ source })}
          />
          {label}
        </label>
      ))}
    </fieldset>
  );
}

interface IPublishedProps extends IPartProps {
  models: ModelsModel;
  props: (name: DeployField) => { id: string; error: string };
}

/** Which model. */
export function Published({ form, models, set, props, trans }: IPublishedProps) {
  const known = models.models ?? [];
  const versions = known.find(({ name }) => name === form.model)?.versions ?? [];
  const chosen = versions.find(({ version }) => version === form.version) ?? versions[0];
  return (
    <Field
      {...props('model')}
      label={trans.__('Model')}
      hint={
        models.models?.length === 0
          ? trans.__('None is published yet: choose a file, or run %deploy in a notebook.')
          : chosen?.inputs.map(input => trans.__('takes %1', tensorLabel(input))).join(', ')
      }
    >
      {control => (
        <HTMLSelect
          {...control}
          value={form.model}
          disabled={known.length === 0}
          onChange={event => set({ model: event.target.value, version: null })}
        >
          <option value="">{trans.__('Choose a model')}</option>
          {known.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </HTMLSelect>
      )}
    </Field>
  );
}

/** Which version of it. */
export function Version({ form, models, set, props, trans }: IPublishedProps) {
  const versions = models.models?.find(({ name }) => name === form.model)?.versions ?? [];
  return (
    <Field {...props('version')} label={trans.__('Version')}>
      {control => (
        <HTMLSelect
          {...control}
          value={String(form.version ?? '')}
          disabled={versions.length === 0}
          onChange={event => set({ version: Number(event.target.value) || null })}
        >
          <option value="">
            {versions.length === 0
              ? trans.__('The newest')
              : trans.__('The newest: %1', versions[0].version)}
          </option>
          {versions.map(({ version }) => (
            <option key={version} value={version}>
              {version}
            </option>
          ))}
        </HTMLSelect>
      )}
    </Field>
  );
}
