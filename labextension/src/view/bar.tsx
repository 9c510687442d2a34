import * as React from 'react';
import { percent } from '../format';

interface IBarProps {
  /** What is measured. */
  label: string;
  /** 0 to 1; null when it is not known. */
  ratio: number | null;
  /** The value as people read it. */
  text: string;
  /** `meter`: an amount now; `progressbar`: how far something has come. */
  role: 'meter' | 'progressbar';
}

/** A horizontal bar, and the same value as text beside it. */
export function Bar({ label, ratio, text, role }: IBarProps) {
  const value = ratio === null ? undefined : percent(ratio);
  return (
    <div className="jp-dllab-Bar">
      <div
        className="jp-dllab-Bar-track"
        data-unknown={value === undefined || undefined}
        role={role}
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={value}
        aria-valuetext={text}
      >
        <div className="jp-dllab-Bar-fill" style={{ width: `${value ?? 0}%` }} />
      </div>
      <span className="jp-dllab-Bar-text" aria-hidden="true">
        {text}
      </span>
    </div>
  );
}
