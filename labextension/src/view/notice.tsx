import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { LabError } from '../errors';
import type { Live } from '../model/live';

/** A calm sentence in place of content, with what to do below it. */
export function Notice(props: { message: string; hint?: string; children?: React.ReactNode }) {
  return (
    <div className="jp-dllab-Notice" role="status">
      <p>{props.message}</p>
      {props.hint ? <p className="jp-dllab-dim">{props.hint}</p> : null}
      {props.children}
    </div>
  );
}

/** Short facts in one flowing line; a fact itself is not broken. */
export function Facts({ facts }: { facts: readonly string[] }) {
  return (
    <p className="jp-dllab-facts">
      {facts.map(fact => (
        <React.Fragment key={fact}>
          <span>{fact}</span>{' '}
        </React.Fragment>
      ))}
    </p>
  );
}

/** Why the server refused a form, as far as that does not stand at a field. */
export function FormTrouble(props: { form: { error: LabError | null; field: string | null } }) {
  const { error, field } = props.form;
  return error === null || (field !== null && !error.hint) ? null : (
    <div className="jp-dllab-Trouble" role="alert">
      {field === null ? <p>{error.sentence}</p> : null}
      {error.hint ? <p className="jp-dllab-dim">{error.hint}</p> : null}
    </div>
  );
}

/** Why the last read of a model failed; nothing while it works. */
export function Trouble(props: { model: Live; trans: TranslationBundle }) {
  const { model, trans } = props;
  if (model.error === null) {
    return null;
  }
  return (
    <div className="jp-dllab-Trouble" role="alert">
      <p>{model.error.sentence}</p>
      {model.error.hint ? <p className="jp-dllab-dim">{model.error.hint}</p> : null}
      <button type="button" className="jp-dllab-Button" onClick={() => model.refresh()}>
        {trans.__('Try again')}
      </button>
    </div>
  );
}
