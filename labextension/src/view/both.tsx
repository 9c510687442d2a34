import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { differences, type IPiece } from '../model/answer';
import { type IVersionAnswer, MOST_SHOWN } from '../model/predict';
import { statusLabel, Bars } from './answer';
import { Refusal } from './refusal';

interface IProps {
  /** Of two versions, to the same request. */
  answers: readonly IVersionAnswer[];
  trans: TranslationBundle;
}

/** What two versions said to the same request, side by side; where they differ it is marked. */
export function Both({ answers, trans }: IProps) {
  const [one, other] = answers;
  const pieces = React.useMemo(
    () => differences(one.text.slice(0, MOST_SHOWN), other.text.slice(0, MOST_SHOWN)),
    [one.text, other.text]
  );
  return (
    <div className="jp-dllab-Predict-side">
      <div className="jp-dllab-Predict-status" role="status">
        {summary(answers, pieces, trans)}
      </div>
      <div className="jp-dllab-Both">
        {answers.map((answer, at) => (
          <section
            key={answer.version}
            className="jp-dllab-Both-side"
            aria-label={trans.__('Version %1', answer.version)}
          >
            <h3>
              {trans.__('Version %1', answer.version)}{' '}
              <span className="jp-dllab-dim">{statusLabel(answer, trans)}</span>
            </h3>
            <Bars text={answer.text} trans={trans} />
            {answer.error !== null ? (
              <Refusal error={answer.error} />
            ) : (
              <pre
                className="jp-dllab-Predict-answer"
                tabIndex={0}
                aria-label={trans.__('Answer of version %1', answer.version)}
              >
                {pieces === null
                  ? answer.text.slice(0, MOST_SHOWN)
                  : pieces[at].map(({ text, differs }, which) =>
                      differs ? <mark key={which}>{text}</mark> : text
                    )}
              </pre>
            )}
          </section>
        ))}
      </div>
    </div>
  );
}

/** Whether they say the same: one sentence. */
function summary(
  answers: readonly IVersionAnswer[],
  pieces: [IPiece[], IPiece[]] | null,
  trans: TranslationBundle
): string {
  const refused = answers.filter(({ error }) => error !== null);
  if (refused.length > 0) {
    return refused.length === answers.length
      ? trans.__('Neither version gave a prediction.')
      : trans.__('Version %1 gave no prediction.', refused[0].version);
  }
  if (pieces === null) {
    return trans.__('The answers have another form each.');
  }
  const many = pieces[0].filter(({ differs }) => differs).length;
  return many === 0
    ? trans.__('Both versions give the same answer.')
    : trans._n('%1 value differs; it is marked.', '%1 values differ; they are marked.', many);
}
