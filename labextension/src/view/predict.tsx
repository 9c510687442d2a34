import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { DeploymentModel } from '../model/deployment';
import type { IMistake } from '../model/jsontext';
import { type IAnswer, MOST_SHOWN, type PredictForm } from '../model/predict';
import { latency } from '../serveformat';
import { CopyButton } from './copy';

interface IProps {
  model: DeploymentModel;
  form: PredictForm;
  trans: TranslationBundle;
}

/** A request to the model that can be changed and sent, and what came back. */
export function Predict({ model, form, trans }: IProps) {
  const id = React.useId();
  const { answer, busy, mistake } = form;
  const { version } = model;
  const wrong =
    mistake !== null || (answer !== null && answer.status >= 400 && answer.status < 500);
  const send = () => void form.send();
  return (
    <div className="jp-dllab-Predict">
      <div className="jp-dllab-Predict-side">
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
          {mistake === null ? null : (
            <p className="jp-dllab-warn">{mistakeLabel(mistake, trans)}</p>
          )}
          {mistake === null && answer?.error ? <Refusal answer={answer} name={model.name} /> : null}
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
      <div className="jp-dllab-Predict-side">
        <div className="jp-dllab-Predict-status" role="status">
          {answer === null ? trans.__('Answer') : statusLabel(answer, trans)}
          {answer?.text ? (
            <CopyButton
              text={answer.text}
              label={trans.__('Copy')}
              title={trans.__('Copy the answer')}
              trans={trans}
            />
          ) : null}
        </div>
        <pre className="jp-dllab-Predict-answer" tabIndex={0} aria-label={trans.__('Answer')}>
          {answer !== null && answer.error === null ? (
            answer.text.slice(0, MOST_SHOWN)
          ) : (
            <span className="jp-dllab-dim">
              {answer === null
                ? trans.__('Send the request to see the answer.')
                : trans.__('There is no prediction: what is wrong stands below the request.')}
            </span>
          )}
        </pre>
        {answer !== null && answer.text.length > MOST_SHOWN ? (
          <p className="jp-dllab-dim">
            {trans.__('Only the beginning of the answer is shown; “Copy” copies all of it.')}
          </p>
        ) : null}
      </div>
    </div>
  );
}

/** Why the model did not answer, in its own words. */
function Refusal({ answer: { error }, name }: { answer: IAnswer; name: string }) {
  if (error === null) {
    return null;
  }
  // A name stays as it is, also where it begins the sentence.
  const sentence = error.message.startsWith(`${name} `) ? error.message : error.sentence;
  return (
    <>
      <p className="jp-dllab-warn">{error.field ? `${error.field}: ${error.message}` : sentence}</p>
      {error.hint ? <p className="jp-dllab-dim">{error.hint}</p> : null}
    </>
  );
}

function mistakeLabel({ message, line }: IMistake, trans: TranslationBundle): string {
  if (message === '') {
    return trans.__('The request must be a JSON object, such as {"instances": [...]}.');
  }
  return line === null
    ? trans.__('This is not JSON: %1', message)
    : trans.__('Line %1 is not JSON: %2', line, message);
}

function statusLabel({ status, milliseconds }: IAnswer, trans: TranslationBundle): string {
  const time = latency(milliseconds / 1000, trans);
  return status === 0 ? trans.__('No answer, %1', time) : trans.__('Status %1, %2', status, time);
}
