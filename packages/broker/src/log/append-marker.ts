// Appends the control batch that ends a transaction on one partition.
import { readBatchHeader } from '@millrace/kafka-protocol';
import { KafkaFailure } from '../errors.ts';
import { markerBatch, type TransactionMarker } from './control-batch.ts';
import type { Appended, PartitionLog } from './partition-log.ts';

/** @throws KafkaFailure when a newer producer or coordinator was there, or nothing can be written */
export function appendMarker(log: PartitionLog, marker: TransactionMarker, nowMs: number): Appended {
  const error = log.producers.checkMarker(marker);
  if (error) throw new KafkaFailure(error);
  const batch = markerBatch(marker, nowMs);
  return log.append(batch, readBatchHeader(batch, 0), 'coordinator');
}
