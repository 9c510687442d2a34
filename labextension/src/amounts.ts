/** Lengths of time and amounts of memory as people type them. */

const SECONDS: Record<string, number> = { s: 1, sec: 1, m: 60, min: 60, h: 3600, d: 86400 };
const BYTES: Record<string, number> = {
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40
};

/** `2 h`, `90 min`, `1 h 30 min`: seconds, or null when it is no such text. */
export function secondsIn(text: string): number | null {
  return sumOf(text, SECONDS);
}

/** `4 GiB`, `512 MB`: bytes, or null when it is no such text. */
export function bytesIn(text: string): number | null {
  return sumOf(text, BYTES);
}

/** Seconds as `secondsIn` reads them. */
export function secondsText(seconds: number): string {
  const parts: [number, string][] = [
    [Math.floor(seconds / 86400), 'd'],
    [Math.floor((seconds % 86400) / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'min'],
    [seconds % 60, 's']
  ];
  return parts.flatMap(([many, unit]) => (many > 0 ? [`${many} ${unit}`] : [])).join(' ');
}

/** Bytes as `bytesIn` reads them, to the byte. */
export function bytesText(bytes: number): string {
  const unit = ['TiB', 'GiB', 'TB', 'GB', 'MiB', 'MB'].find(unit =>
    Number.isInteger((8 * bytes) / BYTES[unit.toLowerCase()])
  );
  return unit === undefined
    ? `${bytes / 2 ** 20} MiB`
    : `${bytes / BYTES[unit.toLowerCase()]} ${unit}`;
}

/** Amounts with units, added up and rounded; null unless all of the text is such amounts. */
function sumOf(text: string, units: Record<string, number>): number | null {
  let sum = 0;
  const rest = text.replace(/(\d+(?:\.\d+)?)\s*([a-z]+)\s*/gi, (all, many, unit) => {
    const each = units[unit.toLowerCase()];
    sum += each === undefined ? 0 : Number(many) * each;
    return each === undefined ? all : '';
  });
  return rest.trim() === '' && text.trim() !== '' ? Math.round(sum) : null;
}
