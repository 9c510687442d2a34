import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IStack } from '../history';
import type { StacksModel } from '../model/stacks';

/** Where each replica is, innermost call first. */
export function Stacks({ model, trans }: { model: StacksModel; trans: TranslationBundle }) {
  const { error, stacks } = model;
  if (error !== null) {
    return (
      <p role="alert">
        {error.sentence} {error.hint}
      </p>
    );
  }
  if (stacks === null) {
    return null;
  }
  if (stacks.length === 0) {
    return <p role="status">{trans.__('No replica runs.')}</p>;
  }
  return (
    <ul className="jp-dllab-list jp-dllab-Stacks" aria-label={trans.__('Where each replica is')}>
      {stacks.map(stack => (
        <li key={`${stack.replica} ${stack.pid}`}>
          <details>
            <summary>
              <strong>{stack.replica}</strong> {where(stack, trans)}
            </summary>
            <pre tabIndex={0}>
              {stack.frames
                .map(
                  ({ function: name, file, line }) => `${name}  ${file}${line ? `:${line}` : ''}`
                )
                .join('\n')}
            </pre>
          </details>
        </li>
      ))}
    </ul>
  );
}

function where({ error, frames, waits }: IStack, trans: TranslationBundle): string {
  if (error || frames.length === 0) {
    return error || trans.__('is not in Python code');
  }
  const [{ function: name, file, line }] = frames;
  return waits
    ? trans.__('waits for the others in %1', name)
    : trans.__('is in %1, %2 line %3', name, file.split('/').pop(), line);
}
