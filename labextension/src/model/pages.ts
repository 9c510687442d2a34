/** Things of one page; the server gives so many at most. */
const PAGE = 500;
/** More pages than anybody has things for: a server that never ends does not hang the page. */
const MOST = 20;

/** Some things, and where those that follow begin. */
export interface IPage<T> {
  items: readonly T[];
  next: string | null;
}

/** All pages of a list that is short for people: one request where the list fits a page. */
export async function readAll<T>(
  read: (limit: number, next: string | null) => Promise<IPage<T>>
): Promise<T[]> {
  const all: T[] = [];
  let next: string | null = null;
  for (let page = 0; page < MOST; page++) {
    const answer: IPage<T> = await read(PAGE, next);
    all.push(...answer.items);
    next = answer.next;
    if (next === null) {
      break;
    }
  }
  return all;
}
