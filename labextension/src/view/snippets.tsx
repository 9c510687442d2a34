import { PageConfig } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { PredictForm } from '../model/predict';
import { FILE, isLong, KEY_PLACEHOLDER, PLACEHOLDER, type Proof, snippetsFor } from '../snippets';
import { CopyButton } from './copy';
import { addresses, type IAddressed } from './deployactions';
import { Disclosure } from './disclosure';

interface IProps {
  deployment: IAddressed;
  /** Who can make a key to it. */
  keys: string;
  /** Whose request the programs send. */
  form: PredictForm;
  trans: TranslationBundle;
}

/** The request as programs that can be copied. */
export function Snippets(props: IProps) {
  return (
    <Disclosure className="jp-dllab-Snippets" summary={props.trans.__('Call it from a program')}>
      {() => <Programs {...props} />}
    </Disclosure>
  );
}

function Programs({ deployment, keys, form, trans }: IProps) {
  const id = React.useId();
  const [proof, setProof] = React.useState<Proof>('token');
  // What is typed in the request is not drawn at once: here it is, when somebody looks again.
  const programs = snippetsFor(addresses(deployment), form.text, proof);
  const proofs = { token: trans.__('a token'), key: trans.__('a key') };
  return (
    <>
      <fieldset className="jp-dllab-Choice jp-dllab-Ways">
        <legend>{trans.__('The program asks with')}</legend>
        {(Object.keys(proofs) as Proof[]).map(each => (
          <label key={each}>
            <input
              type="radio"
              name={id}
              checked={proof === each}
              onChange={() => setProof(each)}
            />
            {proofs[each]}
          </label>
        ))}
      </fieldset>
      <p className="jp-dllab-dim">
        {proof === 'token' ? (
          <>
            {trans.__('%1 stands for a token of yours.', PLACEHOLDER)} <TokenPlace trans={trans} />
          </>
        ) : (
          <>
            {trans.__(
              '%1 stands for a key. Whoever has it can ask this deployment and do nothing else.',
              KEY_PLACEHOLDER
            )}{' '}
            {keys}
          </>
        )}{' '}
        {isLong(form.text) ? (
          <>
            {trans.__('The request is long: the programs read it from a file %1.', FILE)}{' '}
            <CopyButton
              text={form.text}
              label={trans.__('Copy the request')}
              title={trans.__('Copy the request, for the file %1', FILE)}
              trans={trans}
            />
          </>
        ) : null}
      </p>
      {programs.map(({ id, label, text }) => (
        <section key={id} aria-label={label}>
          <div className="jp-dllab-Snippets-head">
            <h3>{label}</h3>
            <CopyButton
              text={text}
              label={trans.__('Copy')}
              title={trans.__('Copy the program for %1', label)}
              trans={trans}
            />
          </div>
          <pre tabIndex={0} aria-label={trans.__('Program for %1', label)}>
            {text}
          </pre>
        </section>
      ))}
    </>
  );
}

/** Where a person gets a token. */
function TokenPlace({ trans }: { trans: TranslationBundle }) {
  const prefix = PageConfig.getOption('hubPrefix');
  if (!prefix) {
    return (
      <>
        {trans.__(
          'Without a hub it is that of this Jupyter server: “jupyter server list” shows it.'
        )}
      </>
    );
  }
  const url = new URL(`${prefix}token`, PageConfig.getOption('hubHost') || window.location.href);
  return (
    <a href={url.href} target="_blank" rel="noopener noreferrer">
      {trans.__('Make one on the hub’s token page.')}
    </a>
  );
}
