import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { QuoteModel } from '../model/quote';

/** What the training would cost and when it would start. */
export function PriceTag({ model, trans }: { model: QuoteModel; trans: TranslationBundle }) {
  const { error, quote } = model;
  if (quote === null) {
    // What is wrong with the wish itself is said at its field when it is sent.
    return error?.code === 'access_denied' || error?.code === 'quota_exceeded' ? (
      <p className="jp-dllab-Form-forecast" data-answer="never" role="status">
        {error.sentence} {error.hint}
      </p>
    ) : null;
  }
  const { message, position, quota, refused, used } = quote;
  const answer = refused ? 'never' : position > 0 ? 'wait' : 'now';
  return (
    <div
      className="jp-dllab-Form-forecast jp-dllab-PriceTag"
      data-answer={answer}
      role="status"
      aria-label={trans.__('Price')}
    >
      {refused ? (
        <p>
          <strong>{trans.__('It would be refused:')}</strong> {refused}
        </p>
      ) : null}
      <p>{message.charAt(0).toUpperCase() + message.slice(1)}</p>
      {quota === null ? null : (
        <p className="jp-dllab-dim">
          {trans.__('Of your %1 GPU-hours for 30 days %2 are used.', short(quota), short(used))}
        </p>
      )}
    </div>
  );
}

function short(hours: number): string {
  return String(Number(hours.toFixed(hours < 10 ? 2 : 1)));
}
