import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { IPlace } from '../model/code';
import { cellsOf, TAG } from '../model/notebook';
import type { TrainForm } from '../model/trainform';
import { Field } from './field';
import { PlaceButton } from './findings';
import type { IFieldControls } from './trainfields';

interface IProps {
  form: TrainForm;
  fields: IFieldControls;
  openPlace: (place: IPlace) => void;
  trans: TranslationBundle;
}

/** What runs: a file, cells of a notebook, or what ran before. */
export function TrainCode({ form, fields, openPlace, trans }: IProps) {
  const { draft, old, place } = form;
  const name = React.useId();
  const choices = [
    ...(old === null ? [] : [{ code: 'same', label: trans.__('The same code') }]),
    { code: 'file', label: trans.__('A file of the lab') },
    { code: 'cells', label: trans.__('Cells of a notebook') }
  ];
  return (
    <>
      <fieldset className="jp-dllab-Choice">
        <legend>{trans.__('What runs')}</legend>
        {choices.map(({ code, label }) => (
          <label key={code}>
            <input
              type="radio"
              name={name}
              checked={draft.code === code}
              onChange={() => fields.set('code', code)}
            />
            {label}
          </label>
        ))}
      </fieldset>
      {draft.code === 'same' && old !== null ? (
        <p className="jp-dllab-Field-hint">
          {trans.__('As it was sent with %1: later edits are not in it.', old.id)}
        </p>
      ) : draft.code === 'cells' ? (
        <NotebookCells {...{ form, fields, trans }} />
      ) : (
        <ScriptPath {...{ form, fields, trans }} />
      )}
      {place === null ? null : (
        <div>
          <PlaceButton place={place} open={openPlace} trans={trans} />
        </div>
      )}
    </>
  );
}

function ScriptPath({ form, fields, trans }: Omit<IProps, 'openPlace'>) {
  const list = React.useId();
  return (
    <>
      <Field
        {...fields.props('path')}
        label={trans.__('Python file')}
        hint={trans.__(
          'From the root of your files; edits that are not saved are in it. Modules beside it that it imports travel along.'
        )}
      >
        {fields.text('path', { list, placeholder: 'train.py' })}
      </Field>
      <datalist id={list}>
        {form.scripts.map(script => (
          <option key={script} value={script} />
        ))}
      </datalist>
    </>
  );
}

function NotebookCells({ form, fields, trans }: Omit<IProps, 'openPlace'>) {
  const { draft, notebooks } = form;
  const chosen = notebooks.find(({ path }) => path === draft.notebook);
  const many = (which: 'selected' | 'tagged') =>
    chosen === undefined ? 0 : cellsOf(chosen, which).length;
  return (
    <div className="jp-dllab-Form-pair">
      <Field
        {...fields.props('notebook')}
        label={trans.__('Notebook')}
        hint={
          notebooks.length === 0
            ? trans.__('None is open.')
            : trans.__('Those that are open; edits that are not saved are in it.')
        }
      >
        {control => (
          <HTMLSelect
            {...control}
            value={draft.notebook}
            onChange={event => fields.set('notebook', event.target.value)}
          >
            {chosen === undefined ? <option value={draft.notebook}>{draft.notebook}</option> : null}
            {notebooks.map(({ path }) => (
              <option key={path} value={path}>
                {path}
              </option>
            ))}
          </HTMLSelect>
        )}
      </Field>
      <Field
        {...fields.props('cells')}
        label={trans.__('Cells')}
        hint={trans.__('They run from the top, as one script.')}
      >
        {control => (
          <HTMLSelect
            {...control}
            value={draft.cells}
            onChange={event => fields.set('cells', event.target.value)}
          >
            <option value="selected">{trans.__('Selected (%1)', many('selected'))}</option>
            <option value="tagged">{trans.__('Tagged %1 (%2)', TAG, many('tagged'))}</option>
          </HTMLSelect>
        )}
      </Field>
    </div>
  );
}
