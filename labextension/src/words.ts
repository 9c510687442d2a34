/** The words of a line as a shell would split them, or null when a quote is not closed. */
export function splitWords(line: string): string[] | null {
  const words: string[] = [];
  let word: string | null = null;
  let quote = '';
  for (let at = 0; at < line.length; at++) {
    const char = line[at];
    if (char === '\\' && quote !== "'" && at + 1 < line.length) {
      at += 1;
      // Between double quotes a backslash stands for itself before most characters.
      word = (word ?? '') + (quote && !/["\\$`]/.test(line[at]) ? char : '') + line[at];
    } else if (quote) {
      if (char === quote) {
        quote = '';
      } else {
        word += char;
      }
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== null) {
        words.push(word);
      }
      word = null;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (word !== null) {
    words.push(word);
  }
  return quote ? null : words;
}

/** Words as one line that `splitWords` takes apart again. */
export function joinWords(words: readonly string[]): string {
  return words
    .map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replace(/'/g, `'\\''`)}'`))
    .join(' ');
}
