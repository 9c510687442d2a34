import type { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';
import type { Range } from '../model/picture';
import type { PictureForm } from '../model/pictureform';

/** Put a picture on a canvas, pixel by pixel, or clear it. */
export function paint(
  canvas: HTMLCanvasElement | null,
  rgba: Uint8ClampedArray | null,
  width: number
): void {
  const context = canvas?.getContext('2d') ?? null;
  if (context === null || canvas === null) {
    return;
  }
  if (rgba === null) {
    context.clearRect(0, 0, canvas.width, canvas.height);
  } else {
    context.putImageData(new ImageData(Uint8ClampedArray.from(rgba), width), 0, 0);
  }
}

/** Between which numbers a pixel lies in the request. */
export function RangeChoice({ form, trans }: { form: PictureForm; trans: TranslationBundle }) {
  const id = React.useId();
  return (
    <div className="jp-dllab-Pixels-range">
      <label htmlFor={id}>{trans.__('Each pixel is sent as')}</label>
      <HTMLSelect
        id={id}
        value={String(form.range)}
        onChange={event => form.set({ range: Number(event.target.value) as Range })}
      >
        {form.ranges.map(range => (
          <option key={range} value={range}>
            {trans.__('0 (black) to %1 (white)', range)}
          </option>
        ))}
      </HTMLSelect>
    </div>
  );
}
