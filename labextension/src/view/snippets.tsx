import { PageConfig } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { PredictForm } from '../model/predict';
import type { IDeployment } from '../serving';
import { FILE, isLong, PLACEHOLDER, snippetsFor } from '../snippets';
import { CopyButton } from './copy';
import { addresses } from './deployactions';
import { Disclosure } from './disclosure';

interface IProps {
  deployment: IDeployment;
  /** Whose request the programs send. */
  form: PredictForm;
  trans: TranslationBundle;
}

/** The request as programs that can be copied. */
export function Snippets({ deployment, form, trans }: IProps) {
  return (
    <Disclosure className="jp-dllab-Snippets" summary={trans.__('Call it from a program')}>
      {() => <Programs deployment={deployment} form={form} trans={trans} />}
    </Disclosure>
  );
}

function Programs({ deployment, form, trans }: IProps) {
  // What is typed in the request is not drawn at once: here it is, when somebody looks again.
  const programs = snippetsFor(addresses(deployment), form.text);
  return (
    <>
      <p className="jp-dllab-dim">
        {trans.__('%1 stands for a token of yours.', PLACEHOLDER)} <TokenPlace trans={trans} />{' '}
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
