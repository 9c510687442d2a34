import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import { type ILabState, inShort, inWords } from '../statustext';
import { labIcon } from './icons';

interface IProps extends ILabState {
  /** Show the panel. */
  open: () => void;
  trans: TranslationBundle;
}

/** The lab in a few words, such as `GPU 2/8 · 1 job · 1 model`. */
export function Status({ open, trans, ...state }: IProps) {
  const short = inShort(state, trans);
  if (short.length === 0) {
    return null;
  }
  const words = [...inWords(state, trans), trans.__('Click to show the lab.')];
  return (
    <button
      type="button"
      className="jp-dllab-Status"
      title={words.join('\n')}
      aria-description={words.join(' ')}
      onClick={open}
    >
      <labIcon.react tag="span" className="jp-dllab-Status-icon" />
      {short.join(' · ')}
    </button>
  );
}
