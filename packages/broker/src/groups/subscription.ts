// The one thing the broker ever reads of a consumer's metadata: which topics it subscribes to. Spec: Kafka's
// ConsumerProtocolSubscription; a version (int16), then an array of topic names, then fields of no interest here.
import { structCodec } from '@millrace/kafka-protocol';

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
