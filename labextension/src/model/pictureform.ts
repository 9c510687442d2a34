import type { IModelVersion } from '../serving';
import { Form } from './form';
import { Pad } from './pad';
import { pictureText, type Range, rangeOf, rangesFor, rgbaOf, valuesOf } from './picture';
import { type IPicture, pictureOf } from './ways';

/** A picture that becomes a request: from a file, or drawn. */
export class PictureForm extends Form {
  /** What the model takes; null where that is no picture. */
  shape: IPicture | null = null;

  ranges: readonly Range[] = [];

  /** The largest value that a pixel has in the request. */
  range: Range = 1;

  /** Whether light and dark of the file are exchanged. */
  invert = false;

  /** What is drawn. */
  pad = new Pad(1, 1);

  /** Name of the file and the size that it had; null before there is one. */
  file: { name: string; width: number; height: number } | null = null;

  /** Why a file cannot be used; empty when nothing is wrong. */
  trouble = '';

  /** The request; null while there is no picture. */
  get text(): string | null {
    const values = this._values();
    return values === null || this.shape === null
      ? null
      : pictureText(values, this.shape, this.range);
  }

  /** What is sent, as a canvas shows it; null while there is no picture. */
  get shown(): Uint8ClampedArray | null {
    const values = this._values();
    return values === null || this.shape === null ? null : rgbaOf(values, this.shape);
  }

  /** Take pictures as a version does; a picture that there is stays while it fits. */
  fit({ inputs, example }: Pick<IModelVersion, 'inputs' | 'example'>): void {
    const shape = pictureOf(inputs);
    if (JSON.stringify(shape) === JSON.stringify(this.shape)) {
      return;
    }
    this.shape = shape;
    this._pixels = this.file = null;
    if (shape !== null) {
      this.pad = new Pad(shape.width, shape.height);
      this.ranges = rangesFor(shape);
      const usual = rangeOf(example);
      this.range = usual !== null && this.ranges.includes(usual) ? usual : this.ranges[0];
    }
  }

  /** Send the file, or what is drawn; the request, or null while there is no such picture. */
  show(way: 'image' | 'draw'): string | null {
    this._way = way;
    return way === 'draw' && this.pad.isEmpty ? null : this.text;
  }

  set(change: Partial<Pick<PictureForm, 'range' | 'invert'>>): void {
    Object.assign(this, change);
    this.announce();
  }

  /** A file was scaled to what the model takes: its pixels, four bytes each. */
  load(file: { name: string; width: number; height: number }, rgba: Uint8ClampedArray): void {
    this.file = file;
    this._pixels = rgba;
    this.trouble = '';
    this.announce();
  }

  /** A file is of no use. */
  fail(trouble: string): void {
    this.trouble = trouble;
    this._pixels = this.file = null;
    this.announce();
  }

  /** Draw a line, in pixels of the model. */
  stroke(x0: number, y0: number, x1: number, y1: number): void {
    this.pad.stroke(x0, y0, x1, y1);
    this.announce();
  }

  clear(): void {
    this.pad.clear();
    this.announce();
  }

  private _values(): ArrayLike<number> | null {
    if (this._way === 'draw') {
      return this.pad.values;
    }
    return this._pixels === null || this.shape === null
      ? null
      : valuesOf(this._pixels, this.shape, this.invert);
  }

  private _way: 'image' | 'draw' = 'image';
  private _pixels: Uint8ClampedArray | null = null;
}
