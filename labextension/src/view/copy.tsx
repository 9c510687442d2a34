import { Clipboard } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

/** How long the button says that it has copied, milliseconds. */
const SAID = 2000;

interface IProps {
  text: string;
  label: string;
  /** What is copied, in words. */
  title: string;
  trans: TranslationBundle;
}

/** Copies a text and says so. */
export function CopyButton({ text, label, title, trans }: IProps) {
  const [copied, setCopied] = React.useState(0);
  React.useEffect(() => {
    if (copied > 0) {
      const timer = setTimeout(() => setCopied(0), SAID);
      return () => clearTimeout(timer);
    }
    return undefined;
  }, [copied]);
  return (
    <button
      type="button"
      className="jp-dllab-Button"
      title={title}
      aria-label={copied ? undefined : title}
      onClick={() => {
        Clipboard.copyToSystem(text);
        setCopied(copied + 1);
      }}
    >
      <span role="status">{copied ? trans.__('Copied') : label}</span>
    </button>
  );
}
