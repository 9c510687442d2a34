import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { IKey, INewKey } from '../access';
import { expiryLabel } from '../accesstext';
import { ago } from '../format';
import { type KeyForm, LIFETIMES } from '../model/accessforms';
import { CopyButton } from './copy';
import { Field, useFocusOn } from './field';
import { FormTrouble } from './notice';

interface IKeysProps {
  keys: readonly IKey[];
  revoke: (key: IKey) => void;
  trans: TranslationBundle;
}

/** The keys that there are; what a key itself is nobody can see here. */
export function Keys({ keys, revoke, trans }: IKeysProps) {
  const now = Date.now() / 1000;
  const title = trans.__('Keys for programs outside the hub');
  if (keys.length === 0) {
    return (
      <p className="jp-dllab-dim">
        {trans.__(
          'There is no key. With one, a program outside the hub can ask this deployment and do nothing else.'
        )}
      </p>
    );
  }
  const heads = [trans.__('Key'), trans.__('Made'), trans.__('Last used'), trans.__('Expires')];
  return (
    <div className="jp-dllab-Versions-wide" tabIndex={0} role="group" aria-label={title}>
      <table className="jp-dllab-Replicas jp-dllab-Keys">
        <caption>{title}</caption>
        <thead>
          <tr>
            {heads.map(label => (
              <th key={label} scope="col">
                {label}
              </th>
            ))}
            <td />
          </tr>
        </thead>
        <tbody>
          {keys.map(key => (
            <tr key={key.id}>
              <th scope="row">
                {key.title}
                <code title={trans.__('What the key begins with')}>dlk_{key.id}…</code>
              </th>
              <td>{ago(key.created, now, trans)}</td>
              <td>{key.used === null ? trans.__('never') : ago(key.used, now, trans)}</td>
              <td>{expiryLabel(key, now, trans)}</td>
              <td>
                <button
                  type="button"
                  className="jp-dllab-Button"
                  aria-label={trans.__('Revoke %1', key.title)}
                  onClick={() => revoke(key)}
                >
                  {trans.__('Revoke…')}
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A wish for another key, and the key that was made last until it is put away. */
export function NewKey({ form, trans }: { form: KeyForm; trans: TranslationBundle }) {
  const id = React.useId();
  const { busy, error, field, made } = form;
  const [, draw] = React.useReducer((count: number) => count + 1, 0);
  const set = (change: Parameters<KeyForm['set']>[0]) => {
    form.set(change);
    draw();
  };
  useFocusOn(id, field, error);
  const wrong = (name: typeof field) =>
    field === name ? (error?.sentence ?? trans.__('Give a title of 1 to 80 characters.')) : '';
  const labels = [
    trans.__('until it is revoked'),
    trans.__('30 days'),
    trans.__('90 days'),
    trans.__('1 year')
  ];
  return (
    <>
      {made === null ? null : (
        <Made
          key={made.id}
          made={made}
          putAway={() => {
            form.putAway();
            document.getElementById(`${id}-title`)?.focus();
          }}
          trans={trans}
        />
      )}
      <form
        className="jp-dllab-Canary"
        aria-label={trans.__('New key')}
        noValidate
        onSubmit={event => {
          event.preventDefault();
          void form.submit();
        }}
      >
        <h3>{trans.__('New key')}</h3>
        <div className="jp-dllab-Form-pair">
          <Field
            id={`${id}-title`}
            label={trans.__('Title')}
            hint={trans.__('What it is for, such as the web shop.')}
            error={wrong('title')}
          >
            {control => (
              <input
                {...control}
                type="text"
                className="jp-dllab-Input"
                autoComplete="off"
                value={form.title}
                onChange={event => set({ title: event.target.value })}
              />
            )}
          </Field>
          <Field id={`${id}-lifetime`} label={trans.__('Good for')} error={wrong('lifetime')}>
            {control => (
              <HTMLSelect
                {...control}
                value={String(form.lifetime)}
                onChange={event => set({ lifetime: Number(event.target.value) || null })}
              >
                {LIFETIMES.map((seconds, at) => (
                  <option key={at} value={String(seconds)}>
                    {labels[at]}
                  </option>
                ))}
              </HTMLSelect>
            )}
          </Field>
        </div>
        <FormTrouble form={form} />
        <button
          type="submit"
          className="jp-dllab-Button jp-dllab-mod-main"
          aria-disabled={busy}
          aria-live="polite"
        >
          {busy ? trans.__('Waiting…') : trans.__('Make key')}
        </button>
      </form>
    </>
  );
}

/** The key itself: this once. */
function Made(props: { made: INewKey; putAway: () => void; trans: TranslationBundle }) {
  const { made, putAway, trans } = props;
  const box = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => box.current?.focus(), []);
  return (
    <div
      ref={box}
      className="jp-dllab-Made"
      tabIndex={-1}
      role="group"
      aria-label={trans.__('The new key “%1”', made.title)}
    >
      <p>
        <strong>{made.title}</strong>{' '}
        {trans.__('Copy the key now: it is not shown again. Who has it can ask this deployment.')}
      </p>
      <code>{made.key}</code>
      <div className="jp-dllab-actions">
        <CopyButton
          text={made.key}
          label={trans.__('Copy')}
          title={trans.__('Copy the key')}
          trans={trans}
        />
        <button type="button" className="jp-dllab-Button" onClick={putAway}>
          {trans.__('Done')}
        </button>
      </div>
    </div>
  );
}
