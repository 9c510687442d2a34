import type { ITensor } from '../serving';

/** How a request can be made. */
export type Way = 'json' | 'table' | 'image' | 'draw';

/** More columns than people fill in by hand. */
const MOST_COLUMNS = 50;
/** Fewer pixels on a side are no picture. */
const LEAST_SIDE = 8;
/** More pixels on a side are more than a drawing has. */
const MOST_DRAWN = 64;
/** More numbers than a request can be looked at with. */
const MOST_NUMBERS = 400_000;
/** Sides of the pictures that come as one row of numbers. */
const FLAT: Record<number, number> = { 64: 8, 784: 28 };

/** A value of each row: of an input, at a place in it, or all of it. */
export interface IColumn {
  input: string;
  /** Null where the input has one value for each row. */
  index: number | null;
  /** Of the input. */
  datatype: string;
  /** What stands above it. */
  head: string;
}

/** What a row of an input is as a picture. */
export interface IPicture {
  height: number;
  width: number;
  channels: 1 | 3;
  /** Where the axis of the channels is; `flat`: all pixels are one row of numbers. */
  place: 'none' | 'first' | 'last' | 'flat';
  /** Whether only whole numbers are taken. */
  whole: boolean;
}

/** The ways that fit a model's inputs, JSON first. */
export function waysFor(inputs: readonly ITensor[]): Way[] {
  const ways: Way[] = ['json'];
  if (columnsOf(inputs).length > 0) {
    ways.push('table');
  }
  const picture = pictureOf(inputs);
  if (picture !== null) {
    ways.push('image');
    if (picture.channels === 1 && Math.max(picture.height, picture.width) <= MOST_DRAWN) {
      ways.push('draw');
    }
  }
  return ways;
}

/** The columns of a table with a row for each instance; none where the inputs are no rows. */
export function columnsOf(inputs: readonly ITensor[]): IColumn[] {
  const several = inputs.length > 1;
  const columns: IColumn[] = [];
  for (const { name, datatype, shape } of inputs) {
    const width = shape[1];
    if (shape.length === 1 && several) {
      columns.push({ input: name, index: null, datatype, head: name });
    } else if (shape.length === 2 && typeof width === 'number') {
      for (let index = 0; index < Math.min(width, MOST_COLUMNS + 1); index++) {
        columns.push({
          input: name,
          index,
          datatype,
          head: several ? `${name} ${index}` : `${index}`
        });
      }
    } else {
      return [];
    }
  }
  return columns.length <= MOST_COLUMNS ? columns : [];
}

/** How the one input of a model takes pictures; null where it does not look like it. */
export function pictureOf(inputs: readonly ITensor[]): IPicture | null {
  const [input] = inputs;
  if (inputs.length !== 1 || !/^(FP|U?INT|BF)/.test(input.datatype)) {
    return null;
  }
  const whole = !input.datatype.startsWith('FP');
  const sides = input.shape.slice(1);
  if (input.shape[0] !== null && input.shape[0] !== 1) {
    return null;
  }
  if (!sides.every(side => side !== null)) {
    return null;
  }
  const picture = pictureFor(sides, whole);
  if (picture === null) {
    return null;
  }
  const { height, width, channels } = picture;
  const fits = Math.min(height, width) >= LEAST_SIDE && height * width * channels <= MOST_NUMBERS;
  return fits ? picture : null;
}

function pictureFor(sides: readonly number[], whole: boolean): IPicture | null {
  const [a, b, c] = sides;
  switch (sides.length) {
    case 1:
      return FLAT[a] === undefined
        ? null
        : { height: FLAT[a], width: FLAT[a], channels: 1, place: 'flat', whole };
    case 2:
      return { height: a, width: b, channels: 1, place: 'none', whole };
    case 3:
      if (a === 1 || a === 3) {
        return { height: b, width: c, channels: a, place: 'first', whole };
      }
      return c === 1 || c === 3 ? { height: a, width: b, channels: c, place: 'last', whole } : null;
    default:
      return null;
  }
}
