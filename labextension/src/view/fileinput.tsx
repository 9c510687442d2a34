import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';
import type { PictureForm } from '../model/pictureform';
import { paint, RangeChoice } from './pixels';

/** More bytes than a picture that one looks at has. */
const MOST = 50 * 2 ** 20;

interface IProps {
  form: PictureForm;
  trans: TranslationBundle;
}

/** A picture from a file, scaled to what the model takes and shown as it is sent. */
export function FileInput({ form, trans }: IProps) {
  const id = React.useId();
  const canvas = React.useRef<HTMLCanvasElement>(null);
  const { file, shape, shown, trouble } = form;
  React.useEffect(() => paint(canvas.current, shown, shape?.width ?? 1));
  if (shape === null) {
    return null;
  }
  const { height, width } = shape;
  const load = async (chosen: File): Promise<void> => {
    try {
      form.load(...(await scaled(chosen, width, height)));
    } catch (reason) {
      if (!(reason instanceof DOMException)) {
        throw reason;
      }
      form.fail(
        trans.__('The browser cannot read %1 as a picture. Choose a PNG or JPEG file.', chosen.name)
      );
    }
  };
  return (
    <div className="jp-dllab-Pixels">
      <canvas
        ref={canvas}
        className="jp-dllab-Pixels-canvas"
        width={width}
        height={height}
        style={{ aspectRatio: `${width} / ${height}` }}
        role="img"
        aria-label={
          file === null
            ? trans.__('No picture yet')
            : trans.__('%1 as it is sent, %2 by %3 pixels', file.name, width, height)
        }
      />
      <div className="jp-dllab-Pixels-side">
        <label htmlFor={id}>{trans.__('Picture')}</label>
        <input
          id={id}
          type="file"
          accept="image/*"
          aria-invalid={trouble !== ''}
          aria-describedby={`${id}-said`}
          onChange={event => {
            const [chosen] = event.target.files ?? [];
            if (chosen !== undefined && chosen.size > MOST) {
              form.fail(trans.__('%1 is larger than 50 MiB.', chosen.name));
            } else if (chosen !== undefined) {
              void load(chosen);
            }
          }}
        />
        <div id={`${id}-said`} role="status">
          {trouble ? <p className="jp-dllab-warn">{trouble}</p> : null}
          {file === null ? (
            <p className="jp-dllab-dim">
              {trans.__(
                'It is scaled to %1 by %2 pixels. The file stays on your machine.',
                width,
                height
              )}
            </p>
          ) : (
            <p className="jp-dllab-dim">{scaledLabel(file, shape, trans)}</p>
          )}
        </div>
        <RangeChoice form={form} trans={trans} />
        <label className="jp-dllab-Form-check">
          <input
            type="checkbox"
            checked={form.invert}
            onChange={event => form.set({ invert: event.target.checked })}
          />
          {trans.__('Exchange light and dark')}
        </label>
      </div>
    </div>
  );
}

function scaledLabel(
  file: { width: number; height: number },
  { height, width, channels }: { height: number; width: number; channels: number },
  trans: TranslationBundle
): string {
  const sentences = [
    trans.__('Scaled from %1 by %2 to %3 by %4 pixels.', file.width, file.height, width, height)
  ];
  if (Math.abs(file.width / file.height - width / height) > 0.02 * (width / height)) {
    sentences.push(trans.__('Its sides have another ratio: it was stretched.'));
  }
  if (channels === 1) {
    sentences.push(trans.__('Colours became grey.'));
  }
  return sentences.join(' ');
}

/** The pixels of a picture file at another size; rejects with a DOMException for other files. */
async function scaled(
  file: File,
  width: number,
  height: number
): Promise<[{ name: string; width: number; height: number }, Uint8ClampedArray]> {
  const whole = await createImageBitmap(file);
  const size = { name: file.name, width: whole.width, height: whole.height };
  const small = await createImageBitmap(whole, {
    resizeWidth: width,
    resizeHeight: height,
    resizeQuality: 'high'
  });
  whole.close();
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) {
    throw new DOMException('There is no canvas.', 'NotSupportedError');
  }
  context.drawImage(small, 0, 0, width, height);
  small.close();
  return [size, context.getImageData(0, 0, width, height).data];
}
