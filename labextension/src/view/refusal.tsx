import * as React from 'react';
import type { LabError } from '../errors';

/**
 * Why a model did not answer, in its own words.
 *
 * @param props.name Of the deployment: it stays as it is, also where it begins the sentence.
 */
export function Refusal({ error, name = '' }: { error: LabError; name?: string }) {
  const sentence = name && error.message.startsWith(`${name} `) ? error.message : error.sentence;
  return (
    <>
      <p className="jp-dllab-warn">{error.field ? `${error.field}: ${error.message}` : sentence}</p>
      {error.hint ? <p className="jp-dllab-dim">{error.hint}</p> : null}
    </>
  );
}
