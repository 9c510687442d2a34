import type { HistoryApi } from '../historyapi';
import { LabError } from '../errors';
import type { IImported, IJobFilter } from '../history';

/** Records of one request: some of them are large. */
const PAGE = 20;
/** Most characters that are sent at once. */
const MOST = 4 * 1024 * 1024;

/**
 * The records of all jobs that fit a filter, or of the ones that are named, as lines of JSON.
 * Rejects with a LabError.
 *
 * @param told Called with how many there are so far.
 */
export async function exported(
  api: Pick<HistoryApi, 'record' | 'records'>,
  which: Partial<IJobFilter> | readonly string[],
  told: (count: number) => void
): Promise<string[]> {
  const lines: string[] = [];
  const add = (record: object) => {
    lines.push(`${JSON.stringify(record)}\n`);
    told(lines.length);
  };
  if (Array.isArray(which)) {
    for (const id of which as readonly string[]) {
      add(await api.record(id));
    }
    return lines;
  }
  let next: string | null = null;
  do {
    const page = await api.records(which as Partial<IJobFilter>, PAGE, next);
    page.records.forEach(add);
    next = page.next;
  } while (next !== null);
  return lines;
}

/**
 * Keep the records of an export. Nothing is kept of a text of which a line is no record.
 * Rejects with a LabError that names the line.
 */
export async function imported(
  api: Pick<HistoryApi, 'takeIn'>,
  text: string,
  sentence: (line: number) => string
): Promise<IImported> {
  const batches: object[][] = [];
  let room = 0;
  text.split(/\r?\n/).forEach((line, at) => {
    if (line.trim() !== '') {
      const record = parsed(line);
      if (record === null) {
        throw new LabError(sentence(at + 1), '', 'invalid', 0, '', at + 1);
      }
      if (line.length > room || batches[batches.length - 1].length >= PAGE) {
        batches.push([]);
        room = MOST;
      }
      room -= line.length;
      batches[batches.length - 1].push(record);
    }
  });
  const all: IImported = { added: [], known: [] };
  for (const batch of batches) {
    const { added, known } = await api.takeIn(batch);
    all.added.push(...added);
    all.known.push(...known);
  }
  return all;
}

function parsed(line: string): object | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && 'job' in value ? value : null;
  } catch {
    return null;
  }
}
