import * as React from 'react';
import { type IPoint, isJoined, WINDOW } from '../model/history';

const WIDTH = 120;
const HEIGHT = 24;

/** One line through points, over the last minutes before `end`; a hole where nothing is known. */
export function sparkPath(points: readonly IPoint[], end: number, every?: number): string {
  let path = '';
  let last: IPoint | null = null;
  for (const point of points) {
    const x = WIDTH * (1 - (end - point.time) / WINDOW);
    const y = 1 + (HEIGHT - 2) * (1 - Math.min(1, Math.max(0, point.utilization)));
    const joined = last !== null && isJoined(last, point, every);
    // A point that stands alone is a dot.
    path += joined ? `L${x.toFixed(1)} ${y.toFixed(1)}` : `M${x.toFixed(1)} ${y.toFixed(1)}h0`;
    last = point;
  }
  return path;
}

interface ISparklineProps {
  points: readonly IPoint[];
  end: number;
  /** Seconds from one point to the next. */
  every?: number;
  label: string;
}

export function Sparkline(props: ISparklineProps) {
  return (
    <svg
      className="jp-dllab-Sparkline"
      role="img"
      aria-label={props.label}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
    >
      <title>{props.label}</title>
      <path d={sparkPath(props.points, props.end, props.every)} vectorEffect="non-scaling-stroke" />
    </svg>
  );
}
