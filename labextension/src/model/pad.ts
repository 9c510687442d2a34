/** Part of a side that a stroke is wide to each side of its middle. */
const WIDTH = 1 / 24;
/** A thinner one leaves gaps. */
const LEAST = 0.9;

/** A drawing as the model gets it: light strokes on dark, pixel by pixel. */
export class Pad {
  constructor(
    readonly width: number,
    readonly height: number
  ) {
    this.values = new Float32Array(width * height);
    this._radius = Math.max(LEAST, WIDTH * Math.max(width, height));
  }

  /** 0 to 1, in rows. */
  readonly values: Float32Array;

  get isEmpty(): boolean {
    return this.values.every(value => value === 0);
  }

  clear(): void {
    this.values.fill(0);
  }

  /** Draw a line between two places, given in pixels; 0.5 is the middle of the first one. */
  stroke(x0: number, y0: number, x1: number, y1: number): void {
    const reach = this._radius + 1;
    const clamp = (value: number, most: number) => Math.min(most, Math.max(0, value));
    const left = clamp(Math.floor(Math.min(x0, x1) - reach), this.width);
    const right = clamp(Math.ceil(Math.max(x0, x1) + reach), this.width);
    const top = clamp(Math.floor(Math.min(y0, y1) - reach), this.height);
    const bottom = clamp(Math.ceil(Math.max(y0, y1) + reach), this.height);
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const far = distance(x + 0.5, y + 0.5, x0, y0, x1, y1);
        const ink = clamp(this._radius + 0.5 - far, 1);
        const at = y * this.width + x;
        this.values[at] = Math.max(this.values[at], ink);
      }
    }
  }

  private readonly _radius: number;
}

/** From a point to a line between two others. */
function distance(x: number, y: number, x0: number, y0: number, x1: number, y1: number): number {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const length = dx * dx + dy * dy;
  const along =
    length === 0 ? 0 : Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / length));
  return Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
}
