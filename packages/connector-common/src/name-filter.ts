// Include and exclude lists over names such as `schema.table` or `schema.table.column`: comma-separated Java patterns
// that match the whole name, without regard to case.
import { javaRegexAnyCase } from '@millrace/foundation';
import { splitList } from './name-list.ts';

/** Whether a name is selected. */
export type NameFilter = (name: string) => boolean;

/** The patterns of a list. @throws config.regex_invalid */
export function namePatterns(list: string | null | undefined): NameFilter[] {
  return splitList(list).map(javaRegexAnyCase);
}

/** Any of the patterns of a list; false for an empty list. */
export function matchesAny(list: string | null | undefined): NameFilter {
  const patterns = namePatterns(list);
  return (name) => patterns.some((matches) => matches(name));
}

/** The include list decides when there is one, else the exclude list; neither = everything. */
export function nameFilter(
  include: string | null | undefined,
  exclude: string | null | undefined,
): NameFilter {
  const included = splitList(include).length > 0;
  const excluded = splitList(exclude).length > 0;
  if (included) return matchesAny(include);
  if (!excluded) return () => true;
  const refused = matchesAny(exclude);
  return (name) => !refused(name);
}
