import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { PictureForm } from '../model/pictureform';
import { paint, RangeChoice } from './pixels';

interface IProps {
  form: PictureForm;
  /** Whether it is the request; else that was written otherwise since. */
  sent: boolean;
  trans: TranslationBundle;
}

/** Where the keyboard's pen is, in pixels, and whether it draws. */
interface IPen {
  x: number;
  y: number;
  down: boolean;
}

/** A pad to draw on with mouse, finger or keys; it shows the pixels that are sent. */
export function PadInput({ form, sent, trans }: IProps) {
  const id = React.useId();
  const canvas = React.useRef<HTMLCanvasElement>(null);
  const last = React.useRef<[number, number] | null>(null);
  const { pad, shown, shape } = form;
  const [pen, move] = React.useState<IPen>({ x: pad.width / 2, y: pad.height / 2, down: false });
  const [keys, setKeys] = React.useState(false);
  React.useEffect(() => paint(canvas.current, shown, shape?.width ?? 1));
  if (shape === null) {
    return null;
  }
  const place = (event: React.PointerEvent<HTMLCanvasElement>): [number, number] => {
    const box = event.currentTarget.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * pad.width,
      ((event.clientY - box.top) / box.height) * pad.height
    ];
  };
  const draw = (to: [number, number]): void => {
    form.stroke(...(last.current ?? to), ...to);
    last.current = to;
  };
  const onKey = (event: React.KeyboardEvent): void => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[
      event.key
    ];
    if (step === undefined && ![' ', 'Delete', 'Backspace'].includes(event.key)) {
      return;
    }
    event.preventDefault();
    setKeys(true);
    if (step !== undefined) {
      const keep = (value: number, most: number) => Math.min(most - 0.5, Math.max(0.5, value));
      const next = {
        ...pen,
        x: keep(pen.x + step[0], pad.width),
        y: keep(pen.y + step[1], pad.height)
      };
      if (pen.down) {
        form.stroke(pen.x, pen.y, next.x, next.y);
      }
      move(next);
    } else if (event.key === ' ') {
      move({ ...pen, down: !pen.down });
      if (!pen.down) {
        form.stroke(pen.x, pen.y, pen.x, pen.y);
      }
    } else {
      form.clear();
    }
  };
  return (
    <div className="jp-dllab-Pixels">
      <div className="jp-dllab-Pad" style={{ aspectRatio: `${pad.width} / ${pad.height}` }}>
        <canvas
          ref={canvas}
          className="jp-dllab-Pixels-canvas"
          width={pad.width}
          height={pad.height}
          tabIndex={0}
          role="application"
          aria-label={trans.__('Drawing, %1 by %2 pixels', pad.width, pad.height)}
          aria-describedby={`${id}-keys`}
          onKeyDown={onKey}
          onBlur={() => setKeys(false)}
          onPointerDown={event => {
            event.currentTarget.setPointerCapture(event.pointerId);
            setKeys(false);
            last.current = null;
            draw(place(event));
          }}
          onPointerMove={event => {
            if (last.current !== null) {
              draw(place(event));
            }
          }}
          onPointerUp={() => (last.current = null)}
          onPointerCancel={() => (last.current = null)}
        />
        {keys ? (
          <span
            className="jp-dllab-Pad-pen"
            data-down={pen.down || undefined}
            style={{
              left: `${(100 * pen.x) / pad.width}%`,
              top: `${(100 * pen.y) / pad.height}%`
            }}
          />
        ) : null}
      </div>
      <div className="jp-dllab-Pixels-side">
        <p className="jp-dllab-dim" id={`${id}-keys`}>
          {trans.__(
            'Draw light on dark, with a mouse or a finger. With keys: the arrows move a pen, Space puts it down or lifts it, Delete clears.'
          )}
        </p>
        <p className="jp-dllab-dim">
          {sent
            ? trans.__('These %1 by %2 pixels are what is sent.', pad.width, pad.height)
            : trans.__('The request below is sent, until you draw here.')}
        </p>
        <RangeChoice form={form} trans={trans} />
        <div className="jp-dllab-actions">
          <button type="button" className="jp-dllab-Button" onClick={() => form.clear()}>
            {trans.__('Clear')}
          </button>
        </div>
      </div>
    </div>
  );
}
