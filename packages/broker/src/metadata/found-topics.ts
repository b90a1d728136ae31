// Topics that lie in the log folder although the metadata log does not know them: Kafka's, when a folder is taken over, or
// when Kafka had it again for a while.
import type { FoundPartition } from '../log/log-directory.ts';

/** A topic as its folders show it. */
export interface FoundTopic {
  readonly name: string;
  readonly id: string;
  readonly partitions: number;
}

/** What the metadata log knows of a name. */
interface KnownTopic {
  readonly id: string;
  readonly partitions: number;
}

/**
 * The topics that others made or grew. Folders of deleted topics are none: a crash came before they were removed.
 * A name whose folders all have another id was made anew.
 */
export function foundTopics(
  folders: readonly FoundPartition[],
  known: ReadonlyMap<string, KnownTopic>,
  deletedIds: ReadonlySet<string>,
): FoundTopic[] {
  const counts = new Map<string, Map<string, number>>();
  for (const { topic, topicId, partition } of folders) {
    if (deletedIds.has(topicId)) continue;
    const byId = counts.get(topic) ?? new Map<string, number>();
    byId.set(topicId, Math.max(byId.get(topicId) ?? 0, partition + 1));
    counts.set(topic, byId);
  }
  return [...counts].flatMap(([name, byId]) => {
    const before = known.get(name);
    const present = before && byId.get(before.id);
    if (before && present !== undefined) {
      return present > before.partitions ? [{ name, id: before.id, partitions: present }] : [];
    }
    return [...byId].slice(0, 1).map(([id, partitions]) => ({ name, id, partitions }));
  });
}
