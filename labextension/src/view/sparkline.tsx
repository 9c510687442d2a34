import * as React from 'react';
import { type ISample, WINDOW } from '../model/gpus';

const WIDTH = 120;
const HEIGHT = 24;
/** Samples further apart than this, in seconds, are not joined: nobody looked in between. */
const GAP = 7;

/** One line through samples, over the last minute before `end`; a hole where nothing is known. */
export function sparkPath(samples: readonly ISample[], end: number): string {
  let path = '';
  let last: number | null = null;
  for (const { time, utilization } of samples) {
    if (utilization === null) {
      last = null;
      continue;
    }
    const x = WIDTH * (1 - (end - time) / WINDOW);
    const y = 1 + (HEIGHT - 2) * (1 - Math.min(1, Math.max(0, utilization)));
    const joined = last !== null && time - last <= GAP;
    path += `${joined ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    last = time;
  }
  return path;
}

export function Sparkline(props: { samples: readonly ISample[]; end: number; label: string }) {
  return (
    <svg
      className="jp-dllab-Sparkline"
      role="img"
      aria-label={props.label}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
    >
      <path d={sparkPath(props.samples, props.end)} vectorEffect="non-scaling-stroke" />
    </svg>
  );
}
