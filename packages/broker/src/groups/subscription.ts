// The one thing the broker ever reads of a consumer's metadata: which topics it subscribes to. Spec: Kafka's
// ConsumerProtocolSubscription; a version (int16), then an array of topic names, then fields of no interest here.
import { structCodec } from '@millrace/kafka-protocol';
import type { Group } from './group.ts';

const subscription = structCodec('topics: [string]', Number.MAX_SAFE_INTEGER);

/** Topics of a member's metadata; none when it is of another kind. */
export function readSubscription(metadata: Buffer): readonly string[] {
  if (metadata.length < 2) return [];
  try {
    return subscription.decode(0, metadata, 2)['topics'] as string[];
  } catch {
    return [];
  }
}

/** Topics that members of a group read; none of an empty one. */
export function subscribedTopics(group: Group): ReadonlySet<string> {
  if (group.is('Empty')) return new Set();
  const topics = new Set<string>();
  for (const member of group.members.values()) {
    for (const protocol of member.protocols)
      for (const topic of readSubscription(protocol.metadata)) topics.add(topic);
  }
  return topics;
}
