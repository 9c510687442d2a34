import * as React from 'react';
import type uPlot from 'uplot';
import type { Columns, Unit } from '../model/charts';

/** The theme's colours for lines, told apart also by those who confuse red and green. */
const COLOURS = [
  '--md-blue-500',
  '--md-deep-orange-500',
  '--md-teal-500',
  '--md-purple-400',
  '--md-amber-700',
  '--md-pink-400',
  '--md-brown-400',
  '--md-light-blue-300'
];
/** Further lines are told apart by their dashes. */
const DASHES = [undefined, [6, 4], [2, 3], [10, 3, 2, 3]];
const HEIGHT = 200;
/** Steps between two places that are marked: seconds, and bytes. */
const SECONDS = [
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200],
  ...[1, 2, 5, 10, 30].map(days => 86_400 * days)
];
const BYTES = Array.from({ length: 52 }, (_, power) => 2 ** power);

interface IProps {
  columns: Columns;
  /** What runs along. */
  along: string;
  unit: Unit;
  /** Whether what runs along are seconds. */
  isTime: boolean;
  /** Whether zero is always in sight. */
  fromZero: boolean;
  /** Of each series. */
  labels: readonly string[];
  /** In words, for those who do not see it. */
  label: string;
  /** A value as text. */
  text: (value: number) => string;
  /** A place along the axis as text. */
  place: (value: number) => string;
  isLog: boolean;
  /** Places along the axis where an attempt began. */
  marks: readonly number[];
  /** Charts with the same key show the same place when the pointer is over one of them. */
  together: string;
}

/** Lines over one axis, drawn when they change and can be seen. */
export function Plot(props: IProps) {
  const { columns, labels, label, isLog, marks } = props;
  const host = React.useRef<HTMLDivElement>(null);
  const plot = React.useRef<uPlot | null>(null);
  const latest = React.useRef(props);
  latest.current = props;
  const theme = useTheme();
  const shape = JSON.stringify([labels, isLog, theme, props.together, props.isTime]);

  React.useEffect(() => {
    const node = host.current!;
    let isGone = false;
    let sizes: ResizeObserver | null = null;
    void import('uplot').then(({ default: Made }) => {
      if (!isGone) {
        const made = new Made(options(node, latest), latest.current.columns as never, node);
        plot.current = made;
        sizes = new ResizeObserver(() => {
          if (node.clientWidth > 0 && node.clientWidth !== made.width) {
            made.setSize({ width: node.clientWidth, height: HEIGHT });
          }
        });
        sizes.observe(node);
      }
    });
    return () => {
      isGone = true;
      sizes?.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);

  React.useEffect(() => plot.current?.setData(columns as never), [columns]);
  React.useEffect(() => plot.current?.redraw(false), [JSON.stringify(marks)]);
  return <div ref={host} className="jp-dllab-Plot" role="img" aria-label={label} />;
}

/** Counts the changes of JupyterLab's theme. */
function useTheme(): number {
  const [theme, setTheme] = React.useState(0);
  React.useEffect(() => {
    const seen = new MutationObserver(() => setTheme(theme => theme + 1));
    seen.observe(document.body, { attributeFilter: ['data-jp-theme-name'] });
    return () => seen.disconnect();
  }, []);
  return theme;
}

function options(node: HTMLElement, latest: { readonly current: IProps }): uPlot.Options {
  const { along, fromZero, labels, isLog, isTime, together, unit } = latest.current;
  const style = getComputedStyle(node);
  const colour = (name: string) => style.getPropertyValue(name).trim() || style.color;
  const font = `11px ${style.fontFamily}`;
  const lines: uPlot.Axis = {
    stroke: colour('--jp-ui-font-color2'),
    font,
    grid: { stroke: colour('--jp-border-color2'), width: 1 },
    ticks: { stroke: colour('--jp-border-color2'), width: 1, size: 4 }
  };
  const { text, place } = latest.current;
  return {
    width: node.clientWidth || 300,
    height: HEIGHT,
    cursor: {
      sync: { key: together, setSeries: false },
      points: { size: 6 },
      y: false,
      drag: { x: true, y: false }
    },
    legend: { show: true, live: true },
    scales: {
      x: { time: false },
      y: {
        distr: isLog ? 3 : 1,
        ...(fromZero
          ? { range: (_: uPlot, __: number, most: number) => [0, 1.1 * (most || 1)] }
          : {})
      }
    },
    axes: [
      {
        ...lines,
        ...(isTime ? { incrs: SECONDS } : {}),
        size: 30,
        values: (_, places) => places.map(place)
      },
      {
        ...lines,
        ...(unit === 'bytes' ? { incrs: BYTES } : {}),
        size: 62,
        values: (_, values) => values.map(value => (value === null ? '' : text(value)))
      }
    ],
    series: [
      { label: along, value: (_, value) => (value === null ? '–' : place(value)) },
      ...labels.map((label, at): uPlot.Series => ({
        label,
        stroke: colour(COLOURS[at % COLOURS.length]),
        dash: DASHES[Math.floor(at / COLOURS.length) % DASHES.length],
        width: 1.5,
        points: { fill: colour('--jp-layout-color1') },
        value: (_, value) => (value === null || value === undefined ? '–' : text(value))
      }))
    ],
    hooks: { drawAxes: [plot => drawMarks(plot, latest.current.marks, colour('--jp-warn-color1'))] }
  };
}

/** A thin line where an attempt began. */
function drawMarks({ ctx, bbox, valToPos }: uPlot, marks: readonly number[], stroke: string): void {
  ctx.save();
  ctx.strokeStyle = stroke;
  ctx.setLineDash([4, 4]);
  ctx.beginPath();
  for (const mark of marks) {
    const x = Math.round(valToPos(mark, 'x', true));
    if (x >= bbox.left && x <= bbox.left + bbox.width) {
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
    }
  }
  ctx.stroke();
  ctx.restore();
}
