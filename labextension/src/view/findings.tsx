import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IPlace } from '../model/code';
import type { TrainForm } from '../model/trainform';
import type { IFinding } from '../trainspec';

interface IProps {
  form: TrainForm;
  openPlace: (place: IPlace) => void;
  trans: TranslationBundle;
}

/** What the last check found, each with the way to its line. */
export function Findings({ form, openPlace, trans }: IProps) {
  const { found } = form;
  if (found === null) {
    return null;
  }
  const { findings } = found;
  if (findings.length === 0) {
    return <p>{trans.__('Nothing wrong was found.')}</p>;
  }
  return (
    <ul className="jp-dllab-list jp-dllab-Findings" aria-label={trans.__('What was found')}>
      {findings.map((finding, index) => {
        const { severity, message } = finding;
        const hint = form.hintFor(finding);
        return (
          <li key={index} data-severity={severity}>
            <strong>{severity === 'error' ? trans.__('Error:') : trans.__('Warning:')}</strong>{' '}
            {message}
            {hint ? <span className="jp-dllab-dim"> {hint}</span> : null}{' '}
            <Place {...{ form, finding, openPlace, trans }} />
          </li>
        );
      })}
    </ul>
  );
}

/** Where it is: a way there when it is in a file of the lab. */
function Place({ form, finding, openPlace, trans }: IProps & { finding: IFinding }) {
  const place = form.placeOf(finding);
  if (place !== null) {
    return <PlaceButton place={place} open={openPlace} trans={trans} />;
  }
  const { file, line } = finding;
  return line === null ? null : (
    <span className="jp-dllab-dim">{trans.__('%1, line %2', file, line)}</span>
  );
}

/** Opens the file or notebook at a line. */
export function PlaceButton(props: {
  place: IPlace;
  open: (place: IPlace) => void;
  trans: TranslationBundle;
}) {
  const { place, open, trans } = props;
  const { cell, line, path } = place;
  const name = path.split('/').pop();
  return (
    <button
      type="button"
      className="jp-dllab-Button"
      title={trans.__('Open %1 there', path)}
      onClick={() => open(place)}
    >
      {cell === null
        ? trans.__('%1, line %2', name, line)
        : trans.__('Cell %1, line %2', cell, line)}
    </button>
  );
}
