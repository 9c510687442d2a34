import type { IPicture } from './ways';

/** The largest value that a pixel may have in the request. */
export type Range = 1 | 16 | 255;

/** The ranges that fit, the usual one first. */
export function rangesFor({ height, width, whole }: IPicture): Range[] {
  const ranges: Range[] = whole ? [255] : [1, 255];
  // The handwritten digits of scikit-learn, 8 by 8, go to 16.
  return height === 8 && width === 8 ? [...ranges, 16] : ranges;
}

/** The range that a model's own example has; null where it has none. */
export function rangeOf(example: string): Range | null {
  const numbers = (
    example.replace(/"[^"]*"/g, '').match(/-?\d+(\.\d+)?([eE][+-]?\d+)?/g) ?? []
  ).map(Number);
  const largest = numbers.reduce((most, number) => Math.max(most, number), 0);
  return largest <= 0 ? null : largest <= 1 ? 1 : largest <= 16 ? 16 : 255;
}

/**
 * The values of a picture's pixels, 0 to 1, in rows; those of a pixel beside each other.
 *
 * @param rgba Four bytes for each pixel, as a canvas has them; what can be seen through is white.
 * @param invert Whether dark becomes light.
 */
export function valuesOf(
  rgba: ArrayLike<number>,
  { channels }: IPicture,
  invert: boolean
): Float32Array {
  const pixels = rgba.length / 4;
  const values = new Float32Array(pixels * channels);
  for (let pixel = 0; pixel < pixels; pixel++) {
    const alpha = rgba[4 * pixel + 3] / 255;
    const [red, green, blue] = [0, 1, 2].map(
      channel => (rgba[4 * pixel + channel] / 255) * alpha + 1 - alpha
    );
    const found =
      channels === 3 ? [red, green, blue] : [0.299 * red + 0.587 * green + 0.114 * blue];
    found.forEach((value, channel) => {
      values[channels * pixel + channel] = invert ? 1 - value : value;
    });
  }
  return values;
}

/** The bytes of a canvas that shows values as `valuesOf` gives them. */
export function rgbaOf(values: ArrayLike<number>, { channels }: IPicture): Uint8ClampedArray {
  const pixels = values.length / channels;
  const rgba = new Uint8ClampedArray(4 * pixels);
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      const from = channels === 3 ? channels * pixel + channel : pixel;
      rgba[4 * pixel + channel] = 255 * values[from];
    }
    rgba[4 * pixel + 3] = 255;
  }
  return rgba;
}

/** The request for one picture; a row of pixels is a line, so that it can be seen in the text. */
export function pictureText(
  values: ArrayLike<number>,
  { height, width, channels, place, whole }: IPicture,
  range: Range
): string {
  const number = (row: number, column: number, channel: number): string => {
    const value = values[channels * (row * width + column) + channel] * range;
    return String(whole || range === 255 ? Math.round(value) : Number(value.toFixed(4)));
  };
  const list = (length: number, item: (at: number) => string, between: string) =>
    Array.from({ length }, (_, at) => item(at)).join(between);
  const row = (at: number, channel: number) =>
    list(width, column => number(at, column, channel), ', ');
  const lists = (channel: number) => list(height, at => `[${row(at, channel)}]`, ',\n');
  const bodies = {
    flat: () => `[\n${list(height, at => row(at, 0), ',\n')}\n]`,
    none: () => `[\n${lists(0)}\n]`,
    first: () => `[\n${list(channels, channel => `[\n${lists(channel)}\n]`, ',\n')}\n]`,
    last: () => {
      const pixel = (at: number, column: number) =>
        `[${list(channels, channel => number(at, column, channel), ', ')}]`;
      return `[\n${list(height, at => `[${list(width, column => pixel(at, column), ', ')}]`, ',\n')}\n]`;
    }
  };
  return `{"instances": [${bodies[place]()}]}`;
}
