import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { stateLabel } from '../format';
import { servingLabel } from '../serveformat';
import type { DeploymentState, ReplicaState } from '../serving';
import type { JobState } from '../specs';

/** Drawn in a square of 12 by 12, so that a state is told by form and word, not by colour alone. */
const SHAPES: Record<JobState | DeploymentState | ReplicaState, string> = {
  PENDING:
    'M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1zm0 1.4a3.6 3.6 0 1 1 0 7.2 3.6 3.6 0 0 1 0-7.2zM5.4 3.4v3l2 1.6.8-1L6.6 5.8V3.4z',
  RUNNING: 'M3 1.5v9l7.5-4.5z',
  RESTARTING: 'M6 1.5V0l3 2.5L6 5V3.2A2.9 2.9 0 1 0 8.9 6h1.6A4.5 4.5 0 1 1 6 1.5z',
  PAUSED: 'M2.5 1.5h2.5v9H2.5zM7 1.5h2.5v9H7z',
  SUCCEEDED: 'M4.6 10.2L.9 6.5l1.3-1.3 2.4 2.4 5.2-5.8 1.4 1.2z',
  FAILED:
    'M6 4.7L9.5 1.2l1.3 1.3L7.3 6l3.5 3.5-1.3 1.3L6 7.3l-3.5 3.5-1.3-1.3L4.7 6 1.2 2.5l1.3-1.3z',
  CANCELLED: 'M2 2h8v8H2z',
  STARTING: 'M6 1a5 5 0 1 0 5 5H9.6A3.6 3.6 0 1 1 6 2.4z',
  READY: 'M4.6 10.2L.9 6.5l1.3-1.3 2.4 2.4 5.2-5.8 1.4 1.2z',
  DEGRADED: 'M6 .8L11.6 11H.4zM5.3 4.4v3.2h1.4V4.4zm0 4.1v1.3h1.4V8.5z',
  DRAINING: 'M5.2 1h1.6v5.6L8.7 4.7l1.1 1.1L6 9.6 2.2 5.8l1.1-1.1 1.9 1.9zM2 10h8v1.4H2z',
  IDLE: 'M7.6 1A5 5 0 1 0 11 7.4 4.2 4.2 0 0 1 7.6 1z',
  DELETING: 'M2 2h8v8H2z',
  LOST: 'M3.2 4.2C3.2 2.3 4.4 1 6.1 1s2.9 1.1 2.9 2.8c0 2-2 2.2-2 3.6H5.3c0-2.2 1.9-2.4 1.9-3.5 0-.8-.5-1.3-1.1-1.3-.7 0-1.2.5-1.2 1.6zM5.3 9h1.7v1.8H5.3z'
};

/** The state of a job or of one of its replicas. */
export function StateChip({ state, trans }: { state: JobState; trans: TranslationBundle }) {
  return <Chip state={state} label={stateLabel(state, trans)} />;
}

/** The state of a deployment or of one of its replicas. */
export function ServingChip(props: {
  state: DeploymentState | ReplicaState;
  trans: TranslationBundle;
}) {
  return <Chip state={props.state} label={servingLabel(props.state, props.trans)} />;
}

/** Shape, word and colour. */
function Chip({ state, label }: { state: keyof typeof SHAPES; label: string }) {
  return (
    <span className="jp-dllab-State" data-state={state}>
      <svg viewBox="0 0 12 12" aria-hidden="true">
        <path fillRule="evenodd" d={SHAPES[state] ?? SHAPES.LOST} />
      </svg>
      {label}
    </span>
  );
}

/** A short word about something that calls for attention, or that sorts. */
export function Badge(props: { kind: 'warning' | 'error' | 'tag'; label: string; title?: string }) {
  return (
    <span className="jp-dllab-Badge" data-kind={props.kind} title={props.title}>
      {props.label}
    </span>
  );
}
