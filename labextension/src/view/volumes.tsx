import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { TrainForm } from '../model/trainform';

interface IProps {
  form: TrainForm;
  trans: TranslationBundle;
}

/** The data volumes that the job gets, as check boxes; nothing where none are offered. */
export function Volumes({ form, trans }: IProps) {
  const offered = form.places.volumes;
  // A box must show at once what was clicked.
  const [, clicked] = React.useState(form.volumes);
  if (offered.length === 0) {
    return null;
  }
  return (
    <fieldset className="jp-dllab-Form-volumes">
      <legend>{trans.__('Data volumes')}</legend>
      {offered.map(({ name, title, path, read_only }) => (
        <label key={name}>
          <input
            type="checkbox"
            checked={form.volumes.includes(name)}
            onChange={event => {
              form.pickVolume(name, event.target.checked);
              clicked(form.volumes);
            }}
          />
          <span>{title}</span>
          {read_only ? <span className="jp-dllab-badge">{trans.__('read-only')}</span> : null}
          <code>{path ? `data/${name}` : `open_volume("${name}")`}</code>
        </label>
      ))}
    </fieldset>
  );
}
