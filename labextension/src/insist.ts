import { LabError } from './errors';

/** Milliseconds until the question is asked again for the first time, and at most. */
const FIRST = 1000;
const LONGEST = 30_000;

/**
 * What the lab answers, asked again until it does.
 *
 * @returns Null when the lab says that there is no such thing.
 */
export async function insist<T>(ask: () => Promise<T>, first = FIRST): Promise<T | null> {
  for (let wait = first; ; wait = Math.min(2 * wait, LONGEST)) {
    try {
      return await ask();
    } catch (reason) {
      if (LabError.from(reason).isGone) {
        return null;
      }
      await new Promise(resolve => setTimeout(resolve, wait)); // Meanwhile the sections say why.
    }
  }
}
