import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { IEndpoint } from '../access';
import type { IDeploymentActions } from './deployactions';
import { ServingChip } from './state';

interface IProps {
  endpoints: readonly IEndpoint[];
  actions: Pick<IDeploymentActions, 'openEndpoint'>;
  trans: TranslationBundle;
}

/** What others have opened to this person; nothing where that is none. */
export function Shared({ endpoints, actions, trans }: IProps) {
  const title = trans.__('Shared with you');
  return endpoints.length === 0 ? null : (
    <section aria-label={title}>
      <h3 className="jp-dllab-Models-heading">{title}</h3>
      <ul className="jp-dllab-list">
        {endpoints.map(({ owner, name, state }) => (
          <li key={`${owner}/${name}`} className="jp-dllab-Job" data-endpoint={`${owner}/${name}`}>
            <div className="jp-dllab-Job-title">
              <button
                type="button"
                className="jp-dllab-Job-name"
                title={trans.__('Open %1 of %2', name, owner)}
                onClick={() => actions.openEndpoint(owner, name)}
              >
                {`${owner}/${name}`}
              </button>
              <ServingChip state={state} trans={trans} />
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
