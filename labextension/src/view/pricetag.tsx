import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { QuoteModel } from '../model/quote';

/** What the training would cost and when it would start. */
export function PriceTag({ model, trans }: { model: QuoteModel; trans: TranslationBundle }) {
  const { error, quote } = model;
  if (quote === null) {
    // What is wrong with the wish itself is said at its field when it is sent.
    return error?.code === 'access_denied' ? (
      <p className="jp-dllab-Form-forecast" data-answer="never" role="status">
        {error.sentence} {error.hint}
      </p>
    ) : null;
  }
  const { message, position, refused } = quote;
  return (
    <div
      className="jp-dllab-Form-forecast jp-dllab-PriceTag"
      data-answer={refused ? 'never' : position > 0 ? 'wait' : 'now'}
      role="status"
      aria-label={trans.__('Price')}
    >
      {refused ? (
        // A cost and a start are those of something else.
        <p>
          <strong>{trans.__('It would be refused:')}</strong> {refused}{' '}
          {trans.__('Ask the administrator for more.')}
        </p>
      ) : (
        <p>{message.charAt(0).toUpperCase() + message.slice(1)}</p>
      )}
    </div>
  );
}
