import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';
import { rolesLabel } from '../format';
import { isShown } from '../model/draft';
import type { TrainForm } from '../model/trainform';
import { Field } from './field';
import type { IFieldControls } from './trainfields';

interface IProps {
  form: TrainForm;
  fields: IFieldControls;
  trans: TranslationBundle;
}

/** How it is distributed: who takes part, with how many GPUs, and what that would meet. */
export function TrainRoles({ form, fields, trans }: IProps) {
  const { catalog, draft, old } = form;
  const strategies = [
    ['allreduce', trans.__('All-reduce')],
    ['ps', trans.__('Parameter server')],
    ['single', trans.__('One process')],
    ...(old?.spec.strategy === 'custom' ? [['custom', trans.__('Roles of its own')]] : [])
  ];
  return (
    <>
      <Field
        {...fields.props('strategy')}
        label={trans.__('Strategy')}
        hint={strategyHint(form, trans)}
      >
        {control => (
          <HTMLSelect
            {...control}
            value={draft.strategy}
            onChange={event => fields.set('strategy', event.target.value)}
          >
            {strategies.map(([strategy, label]) => (
              <option key={strategy} value={strategy}>
                {label}
              </option>
            ))}
          </HTMLSelect>
        )}
      </Field>
      <div className="jp-dllab-Form-pair">
        {isShown('workers', draft) ? (
          <Field
            {...fields.props('workers')}
            label={trans.__('Workers')}
            hint={trans.__('Replicas that train together.')}
          >
            {fields.whole('workers', 1, catalog?.max_replicas)}
          </Field>
        ) : null}
        {isShown('servers', draft) ? (
          <Field
            {...fields.props('servers')}
            label={trans.__('Parameter servers')}
            hint={trans.__('They hold the variables.')}
          >
            {fields.whole('servers', 1, catalog?.max_replicas)}
          </Field>
        ) : null}
        {isShown('gpus', draft) ? (
          <Field
            {...fields.props('gpus')}
            label={draft.strategy === 'single' ? trans.__('GPUs') : trans.__('GPUs per worker')}
            hint={trans.__('0 trains on the CPU.')}
          >
            {fields.whole('gpus', 0, catalog?.max_gpus)}
          </Field>
        ) : null}
      </div>
      <p className="jp-dllab-Form-forecast" data-answer={form.forecast?.answer} role="status">
        {forecast(form, trans)}
      </p>
    </>
  );
}

function strategyHint({ draft, old }: TrainForm, trans: TranslationBundle): string {
  switch (draft.strategy) {
    case 'ps':
      return trans.__('A chief, servers and workers with TF_CONFIG. It ends with the chief.');
    case 'single':
      return trans.__('Nothing is distributed.');
    case 'custom':
      return old === null ? '' : trans.__('As they were: %1.', rolesLabel(old.spec, trans));
    default:
      return trans.__('Equal workers, as torchrun and JAX know them.');
  }
}

/** How many GPUs are asked for in all, and what that would meet. */
function forecast({ forecast, gpus }: TrainForm, trans: TranslationBundle): string {
  if (forecast === null || gpus === 0) {
    return ''; // That no GPU is asked for is said with the price.
  }
  return gpus === null
    ? forecast.message
    : `${trans._n('%1 GPU in all.', '%1 GPUs in all.', gpus)} ${forecast.message}`;
}
