// Lists of names and patterns as configs hold them.

/** Splits a comma-separated list; `\,` is a comma of an entry. Entries are trimmed, empty ones dropped. */
export function splitList(text: string | null | undefined): string[] {
  if (text === null || text === undefined) return [];
  return text
    .split(/(?<!\\),/)
    .map((entry) => entry.trim().replaceAll('\\,', ','))
    .filter((entry) => entry !== '');
}
