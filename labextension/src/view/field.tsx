import * as React from 'react';

/** What the control of a field needs so that its words belong to it. */
export interface IControl {
  id: string;
  'aria-describedby': string | undefined;
  'aria-invalid': boolean;
}

interface IFieldProps {
  /** Unique within the page. */
  id: string;
  label: string;
  /** Said below while nothing is wrong. */
  hint?: React.ReactNode;
  /** What is wrong with it; empty when nothing is. */
  error?: string;
  /** The control. */
  children: (control: IControl) => React.ReactNode;
}

/** Put the keyboard to the control with the mistake, whenever there is another one. */
export function useFocusOn(id: string, field: string | null, error: unknown): void {
  React.useEffect(() => {
    if (field !== null) {
      document.getElementById(`${id}-${field}`)?.focus();
    }
  }, [id, field, error]);
}

/** A label, a control and, below it, what to know or what is wrong. */
export function Field({ id, label, hint, error, children }: IFieldProps) {
  const below = `${id}-below`;
  const described = error || hint ? below : undefined;
  return (
    <div className="jp-dllab-Field">
      <label htmlFor={id}>{label}</label>
      {children({ id, 'aria-describedby': described, 'aria-invalid': Boolean(error) })}
      {described === undefined ? null : (
        <div id={below} className={error ? 'jp-dllab-Field-error' : 'jp-dllab-Field-hint'}>
          {error || hint}
        </div>
      )}
    </div>
  );
}
