import * as React from 'react';
import type { Severity } from '../alertspecs';

/** Drawn in a square of 12 by 12: told apart by form, not by colour alone. */
const SHAPES: Record<Severity | 'resolved', string> = {
  critical: 'M3.5 0h5L12 3.5v5L8.5 12h-5L0 8.5v-5zM5.2 2.6v4h1.6v-4zm0 5.2v1.6h1.6V7.8z',
  warning: 'M6 .8L11.6 11H.4zM5.3 4.4v3.2h1.4V4.4zm0 4.1v1.3h1.4V8.5z',
  info: 'M6 0a6 6 0 1 0 0 12A6 6 0 0 0 6 0zM5.2 2.4v1.6h1.6V2.4zm0 2.7v4.5h1.6V5.1z',
  resolved: 'M4.6 10.2L.9 6.5l1.3-1.3 2.4 2.4 5.2-5.8 1.4 1.2z'
};

/** How bad something is. The words beside it say so too: `label` where they do not. */
export function SeverityIcon(props: { severity: Severity | 'resolved'; label?: string }) {
  const { severity, label } = props;
  return (
    <svg
      className="jp-dllab-Severity"
      data-severity={severity}
      viewBox="0 0 12 12"
      role={label ? 'img' : undefined}
      aria-label={label}
      aria-hidden={label ? undefined : true}
    >
      <path fillRule="evenodd" d={SHAPES[severity] ?? SHAPES.info} />
    </svg>
  );
}
