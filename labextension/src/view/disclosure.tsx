import * as React from 'react';

/** Content behind a line that opens it; what is closed is not drawn. */
export function Disclosure(props: {
  summary: string;
  /** What a screen reader says in place of the summary. */
  label?: string;
  className?: string;
  children: () => React.ReactNode;
}) {
  const [open, setOpen] = React.useState(false);
  return (
    <details
      className={`jp-dllab-Disclosure ${props.className ?? ''}`}
      open={open}
      onToggle={event => setOpen(event.currentTarget.open)}
    >
      <summary aria-label={props.label}>{props.summary}</summary>
      {open ? props.children() : null}
    </details>
  );
}
