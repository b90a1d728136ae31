// Writes the marker that ends a transaction on one partition, and tells the groups when it was that of their offsets.
import type { GroupCoordinator } from '../groups/coordinator.ts';
import { appendMarker } from '../log/append-marker.ts';
import type { TransactionMarker } from '../log/control-batch.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import { OFFSETS_TOPIC } from '../metadata/topics.ts';

/**
 * Resolves once the marker is durable. INV-12
 *
 * @throws KafkaFailure
 */
export async function writeMarker(
  log: PartitionLog,
  marker: TransactionMarker,
  groups: GroupCoordinator,
  nowMs: number,
): Promise<void> {
  const { baseOffset } = appendMarker(log, marker, nowMs);
  await log.whenDurable(baseOffset);
  if (log.topic !== OFFSETS_TOPIC) return;
  groups.transactionEnded(marker, { partition: log.partition, offset: baseOffset });
}
