import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { ago } from '../format';
import type { IDelivery, NoticeKind } from '../history';
import { type INoticeDraft, KINDS, type NoticeForm } from '../model/noticeform';
import { CopyButton } from './copy';
import { Field } from './field';
import { Notice, Trouble } from './notice';

interface IProps {
  form: NoticeForm;
  trans: TranslationBundle;
}

/** The form that says how one is told, and what was sent of late. */
export function Notices({ form, trans }: IProps) {
  const id = React.useId();
  const { draft, failure, settings, step } = form;
  // A control must show what is typed at once.
  const [, typed] = React.useState(draft);
  const set = (change: Partial<INoticeDraft>) => {
    form.set(change);
    typed(form.draft);
  };
  if (settings === null) {
    return form.error === null ? (
      <Notice message={trans.__('Reading…')} />
    ) : (
      <Trouble model={form} trans={trans} />
    );
  }
  const at = failure?.field.split('.')[0] ?? '';
  const problem = (field: string) =>
    failure !== null && at === field ? `${failure.sentence} ${failure.hint}`.trim() : '';
  const busy = step !== null;
  const canTest = (settings.webhook !== null || settings.email !== null) && !form.isChanged;
  return (
    <form
      className="jp-dllab-Form"
      aria-label={trans.__('Notifications of training jobs')}
      noValidate
      onSubmit={event => {
        event.preventDefault();
        void form.save();
      }}
    >
      <h2>{trans.__('Notifications of training jobs')}</h2>
      <p className="jp-dllab-dim">
        {trans.__(
          'In this page you are told anyway. What is set here is told also while no page is open.'
        )}
      </p>
      <Trouble model={form} trans={trans} />
      <Field
        id={`${id}-webhook`}
        label={trans.__('Webhook')}
        hint={trans.__('Gets a POST with JSON for each notification. Empty: none.')}
        error={problem('webhook')}
      >
        {control => (
          <input
            type="url"
            className="jp-dllab-Input"
            placeholder="https://"
            autoComplete="off"
            spellCheck={false}
            maxLength={2000}
            value={draft.webhook}
            onChange={event => set({ webhook: event.target.value })}
            {...control}
          />
        )}
      </Field>
      <Secret form={form} trans={trans} />
      <Field
        id={`${id}-email`}
        label={trans.__('E-mail')}
        hint={
          settings.can_email
            ? trans.__('Empty: none.')
            : trans.__('Your administrator has not set up a mail server, so nothing is sent yet.')
        }
        error={problem('email')}
      >
        {control => (
          <input
            type="email"
            className="jp-dllab-Input"
            autoComplete="email"
            maxLength={254}
            value={draft.email}
            onChange={event => set({ email: event.target.value })}
            {...control}
          />
        )}
      </Field>
      <fieldset className="jp-dllab-Form-volumes">
        <legend>{trans.__('Tell when a job')}</legend>
        {KINDS.map(kind => (
          <label key={kind}>
            <input
              type="checkbox"
              checked={draft.on.includes(kind)}
              onChange={event =>
                set({
                  on: event.target.checked
                    ? [...draft.on, kind]
                    : draft.on.filter(other => other !== kind)
                })
              }
            />
            {inWords(kind, trans)}
          </label>
        ))}
      </fieldset>
      {failure !== null && at !== 'webhook' && at !== 'email' ? (
        <div className="jp-dllab-Trouble" role="alert">
          <p>{failure.sentence}</p>
          {failure.hint ? <p className="jp-dllab-dim">{failure.hint}</p> : null}
        </div>
      ) : null}
      <div className="jp-dllab-Form-end">
        <button
          type="submit"
          className="jp-dllab-Button jp-dllab-mod-main"
          aria-disabled={busy || !form.isChanged}
        >
          {step === 'saving' ? trans.__('Saving…') : trans.__('Save')}
        </button>
        <button
          type="button"
          className="jp-dllab-Button"
          aria-disabled={busy || !canTest}
          title={
            canTest
              ? trans.__('Send a test to what is set')
              : trans.__('Set a webhook or an e-mail address and save first.')
          }
          onClick={() => canTest && void form.test()}
        >
          {step === 'testing' ? trans.__('Sending…') : trans.__('Send a test')}
        </button>
      </div>
      <Deliveries deliveries={settings.deliveries} trans={trans} />
    </form>
  );
}

/** The secret that signs what is posted: told once, when it is made. */
function Secret({ form, trans }: IProps) {
  const { secret, settings } = form;
  if (secret) {
    return (
      <div role="status">
        <p>
          <strong>{trans.__('Copy the secret now: it is not shown again.')}</strong>
        </p>
        <code className="jp-dllab-command">{secret}</code>{' '}
        <CopyButton
          text={secret}
          label={trans.__('Copy')}
          title={trans.__('Copy the secret')}
          trans={trans}
        />
        <p className="jp-dllab-dim">
          {trans.__(
            'X-Dllab-Signature of each POST holds t=TIME,v1=HEX: HMAC-SHA256 of TIME, a dot and the body with this secret.'
          )}
        </p>
      </div>
    );
  }
  if (!settings?.has_secret || settings.webhook === null) {
    return null;
  }
  return (
    <p className="jp-dllab-dim">
      {trans.__('What is posted is signed with a secret.')}{' '}
      <button
        type="button"
        className="jp-dllab-Button"
        title={trans.__('The one that there is becomes invalid')}
        onClick={() => void form.save(true)}
      >
        {trans.__('Make a new secret')}
      </button>
    </p>
  );
}

function Deliveries(props: { deliveries: readonly IDelivery[]; trans: TranslationBundle }) {
  const { deliveries, trans } = props;
  if (deliveries.length === 0) {
    return <p className="jp-dllab-dim">{trans.__('Nothing was sent yet.')}</p>;
  }
  const now = Date.now() / 1000;
  const words: Record<IDelivery['state'], string> = {
    sent: trans.__('sent'),
    retrying: trans.__('is tried again'),
    failed: trans.__('failed')
  };
  return (
    <div className="jp-dllab-Wide">
      <table className="jp-dllab-Replicas">
        <caption>{trans.__('Sent of late')}</caption>
        <tbody>
          {deliveries.map(({ by, job, kind, message, state, time, tries }, at) => (
            <tr key={at} data-state={state}>
              <td title={new Date(1000 * time).toLocaleString()}>{ago(time, now, trans)}</td>
              <td>{by === 'email' ? trans.__('e-mail') : trans.__('webhook')}</td>
              <td>{job ? `${job}: ${kind}` : trans.__('a test')}</td>
              <td>
                {words[state]}
                {tries > 1 ? ` (${trans._n('%1 try', '%1 tries', tries)})` : ''}
              </td>
              <td className="jp-dllab-Replicas-reason">{message}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function inWords(kind: NoticeKind, trans: TranslationBundle): string {
  switch (kind) {
    case 'succeeded':
      return trans.__('succeeds');
    case 'failed':
      return trans.__('fails or is lost');
    case 'stalled':
      return trans.__('stalls: nothing is heard of it');
    case 'restarted':
      return trans.__('is started again');
    default:
      return trans.__('is paused');
  }
}
