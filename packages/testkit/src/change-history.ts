// Holds what a topic got against what was committed: nothing missing, each key in order, repeats only as a replay of
// a contiguous range.

/** One change of one row; `version` is null for a delete. */
export interface Change {
  readonly key: string;
  readonly version: number | null;
}

/** A change as one partition holds it, in the order of offsets; `position` is the same for the same change only. */
export interface DeliveredChange extends Change {
  readonly position: string;
}

/**
 * What is wrong with the records of a partition, at most 20 lines; empty when nothing is. `mostReplays` bounds how
 * often it may go back.
 */
export function historyProblems(
  committed: readonly Change[],
  delivered: readonly DeliveredChange[],
  mostReplays: number,
): string[] {
  const { distinct, problems } = withoutReplays(delivered, mostReplays);
  const expected = byKey(committed);
  const actual = byKey(distinct);
  for (const [key, changes] of expected) {
    const seen = actual.get(key) ?? [];
    const at = changes.findIndex((version, i) => seen[i] !== version);
    if (at >= 0)
      problems.push(`${key}: change ${at} was ${shown(changes[at])}, the topic has ${shown(seen[at])}`);
    else if (seen.length > changes.length)
      problems.push(`${key}: the topic has ${shown(seen[changes.length])} that nobody committed`);
  }
  for (const key of actual.keys()) if (!expected.has(key)) problems.push(`${key}: nobody committed it`);
  return problems.slice(0, 20);
}

/** The changes in the order in which they first came, and where a repeat was no replay of a contiguous range. */
export function withoutReplays(
  delivered: readonly DeliveredChange[],
  mostReplays: number,
): { distinct: DeliveredChange[]; problems: string[]; replays: number } {
  const distinct: DeliveredChange[] = [];
  const places = new Map<string, number>();
  const problems: string[] = [];
  let next = 0;
  let replays = 0;
  for (const change of delivered) {
    const place = places.get(change.position);
    if (place === undefined) {
      if (next < distinct.length)
        problems.push(
          `${change.key} at ${change.position} came new within a replay, ${distinct.length - next} before its end`,
        );
      places.set(change.position, distinct.length);
      distinct.push(change);
      next = distinct.length;
    } else {
      if (place > next)
        problems.push(`a replay skipped ${place - next} changes before ${change.key} at ${change.position}`);
      if (place < next) replays++;
      next = place + 1;
    }
  }
  if (next < distinct.length)
    problems.push(`the last replay stops ${distinct.length - next} changes before the end`);
  if (replays > mostReplays) problems.push(`${replays} replays, at most ${mostReplays} can be explained`);
  return { distinct, problems, replays };
}

function byKey(changes: readonly Change[]): Map<string, (number | null)[]> {
  const keys = new Map<string, (number | null)[]>();
  for (const { key, version } of changes) {
    const versions = keys.get(key);
    if (versions) versions.push(version);
    else keys.set(key, [version]);
  }
  return keys;
}

function shown(version: number | null | undefined): string {
  if (version === undefined) return 'nothing';
  return version === null ? 'a delete' : `version ${version}`;
}
