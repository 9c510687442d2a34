import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { DeployForm } from '../model/deployform';
import type { ReplicaField } from '../model/replica';
import { Field } from './field';

interface IProps {
  form: DeployForm;
  props: (name: ReplicaField) => { id: string; error: string };
  /** Show at once what was typed. */
  draw: () => void;
  trans: TranslationBundle;
}

/** What each replica gets, and whether requests are computed together. */
export function EachReplica({ form, props, draw, trans }: IProps) {
  const number = (name: ReplicaField, label: string, hint: string, bounds: object) => (
    <Field {...props(name)} label={label} hint={hint}>
      {control => (
        <input
          {...control}
          {...bounds}
          type="number"
          className="jp-dllab-Input"
          value={form.each[name]}
          onChange={event => {
            form.setEach(name, event.target.value);
            draw();
          }}
        />
      )}
    </Field>
  );
  return (
    <div className="jp-dllab-Form-pair">
      {number(
        'gpus',
        trans.__('GPUs per replica'),
        trans.__('Empty: none. A replica waits while too few are free.'),
        { min: 0, max: 8, step: 1 }
      )}
      {number(
        'cpus',
        trans.__('CPU threads per replica'),
        trans.__('That compute one request. Empty: as its server has it.'),
        { min: 1, max: 64, step: 1 }
      )}
      {number(
        'size',
        trans.__('Most rows computed together'),
        trans.__('Of requests that come at the same time. Empty: each request by itself.'),
        { min: 2, max: 1024, step: 1 }
      )}
      {form.each.size.trim() === ''
        ? null
        : number(
            'wait',
            trans.__('Wait for others, ms'),
            trans.__('That a request waits for others at most.'),
            { min: 0, max: 1000, step: 'any' }
          )}
    </div>
  );
}
