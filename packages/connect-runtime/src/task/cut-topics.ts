// INV-3: who reads a topic for the first time after its beginning was deleted does not have all of it.
import type { PartitionPosition, TopicPartition } from '@millrace/connect-api';
import type { SinkRunnerParts } from './sink-runner-parts.ts';

/** Looks where the partitions begin, and tells of those that do not at offset 0. Never rejects. */
export async function tellOfCutTopics(
  { beginnings, environment }: Pick<SinkRunnerParts, 'beginnings' | 'environment'>,
  unread: readonly TopicPartition[],
  tell: (note: string) => void,
): Promise<void> {
  if (beginnings === null || unread.length === 0) return;
  try {
    const cut = (await beginnings(unread)).filter(({ offset }) => offset > 0);
    const [first] = cut;
    if (first === undefined) return;
    const note = noteOf(first, cut.length - 1);
    environment.logger.warn({ partitions: cut.length }, note);
    tell(note);
  } catch (error) {
    environment.logger.debug({ err: error }, 'where the topics begin is not known');
  }
}

function noteOf({ topic, partition, offset }: PartitionPosition, others: number): string {
  const more = others > 0 ? ` (and ${others} more)` : '';
  return (
    `${topic}-${partition}${more} began at offset ${offset} when this sink first read it: what was deleted before is ` +
    'missing from its target.\nWhat to do: Have the source read its tables again (a snapshot by signal), and keep ' +
    'topics whole that new sinks shall read: cleanup.policy=compact, or a longer retention.ms.\n'
  );
}
