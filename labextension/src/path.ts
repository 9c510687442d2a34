/** A path whose parts may hold any character. */
export function at(...parts: string[]): string {
  return parts.map(encodeURIComponent).join('/');
}
