import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IMistake } from '../model/jsontext';
import type { PredictForm } from '../model/predict';
import type { ICanary, IModelVersion } from '../serving';
import type { Way } from '../model/ways';
import { Answer } from './answer';
import { Both } from './both';
import type { IAddressed } from './deployactions';
import { FileInput } from './fileinput';
import { PadInput } from './padinput';
import { Refusal } from './refusal';
import { Snippets } from './snippets';
import { TableInput } from './tableinput';

/** What a request can be sent to. */
interface IAsked {
  name: string;
  deployment: (IAddressed & { version: number; canary?: ICanary | null }) | null;
  version: Pick<IModelVersion, 'inputs' | 'example'> | null;
}

interface IProps {
  model: IAsked;
  /** Who can make a key to it: a sentence. */
  keys: string;
  form: PredictForm;
  trans: TranslationBundle;
}

/** A request to the model that can be made in several ways and sent, and what came back. */
export function Predict({ model, keys, form, trans }: IProps) {
  const { deployment } = model;
  return (
    <div className="jp-dllab-Predict">
      <Request model={model} form={form} trans={trans} />
      {form.both === null ? (
        <Answer answer={form.answer} trans={trans} />
      ) : (
        <Both answers={form.both} trans={trans} />
      )}
      {deployment?.url ? <Snippets {...{ deployment, keys, form, trans }} /> : null}
    </div>
  );
}

function Request({ model, form, trans }: Omit<IProps, 'keys'>) {
  const id = React.useId();
  const { answer, busy, mistake } = form;
  const { deployment, version } = model;
  const canary = deployment?.canary ?? null;
  const wrong =
    mistake !== null || (answer !== null && answer.status >= 400 && answer.status < 500);
  const send = () => void form.send();
  return (
    <div className="jp-dllab-Predict-side">
      <Ways form={form} trans={trans} />
      {form.way === 'table' ? <TableInput table={form.table} send={send} trans={trans} /> : null}
      {form.way === 'image' ? <FileInput form={form.picture} trans={trans} /> : null}
      {form.way === 'draw' ? (
        <PadInput form={form.picture} sent={form.byTool} trans={trans} />
      ) : null}
      <label htmlFor={id}>{trans.__('Request, as JSON')}</label>
      <textarea
        key={form.revision}
        id={id}
        className="jp-dllab-Predict-text"
        defaultValue={form.text}
        spellCheck={false}
        wrap="off"
        aria-invalid={wrong}
        aria-describedby={`${id}-wrong`}
        data-lm-suppress-shortcuts="true"
        onChange={event => form.write(event.target.value)}
        onKeyDown={event => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey || event.shiftKey)) {
            event.preventDefault();
            send();
          }
        }}
      />
      <div id={`${id}-wrong`} role="alert">
        {mistake === null ? null : <p className="jp-dllab-warn">{mistakeLabel(mistake, trans)}</p>}
        {mistake === null && answer?.error ? (
          <Refusal error={answer.error} name={model.name} />
        ) : null}
      </div>
      <div className="jp-dllab-actions">
        <button
          type="button"
          className="jp-dllab-Button jp-dllab-mod-main"
          aria-disabled={busy}
          title={trans.__('Send the request to the model (Shift+Enter)')}
          onClick={send}
        >
          {busy ? trans.__('Waiting…') : trans.__('Send')}
        </button>
        {canary === null || deployment === null ? null : (
          <button
            type="button"
            className="jp-dllab-Button"
            aria-disabled={busy}
            title={trans.__(
              'Send the request to version %1 and to version %2',
              deployment.version,
              canary.version
            )}
            onClick={() => void form.compare([deployment.version, canary.version])}
          >
            {trans.__('Ask both versions')}
          </button>
        )}
        {version === null ? null : (
          <button
            type="button"
            className="jp-dllab-Button"
            title={trans.__('Put a request that fits the model in place of this one')}
            onClick={() => form.reset(version)}
          >
            {version.example ? trans.__('Example') : trans.__('Reset')}
          </button>
        )}
      </div>
    </div>
  );
}

/** How the request is made; nothing where there is one way only. */
function Ways({ form, trans }: Omit<IProps, 'model' | 'keys'>) {
  const name = React.useId();
  if (form.ways.length < 2) {
    return null;
  }
  return (
    <fieldset className="jp-dllab-Choice jp-dllab-Ways">
      <legend>{trans.__('Make the request with')}</legend>
      {form.ways.map(way => (
        <label key={way}>
          <input
            type="radio"
            name={name}
            checked={form.way === way}
            onChange={() => form.choose(way)}
          />
          {wayLabel(way, trans)}
        </label>
      ))}
    </fieldset>
  );
}

function wayLabel(way: Way, trans: TranslationBundle): string {
  switch (way) {
    case 'json':
      return trans.__('JSON');
    case 'table':
      return trans.__('a table');
    case 'image':
      return trans.__('an image');
    case 'draw':
      return trans.__('a drawing');
  }
}

function mistakeLabel({ message, line }: IMistake, trans: TranslationBundle): string {
  if (message === '') {
    return trans.__('The request must be a JSON object, such as {"instances": [...]}.');
  }
  return line === null
    ? trans.__('This is not JSON: %1', message)
    : trans.__('Line %1 is not JSON: %2', line, message);
}
