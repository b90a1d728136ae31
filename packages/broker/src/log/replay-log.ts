// Reads a whole log in order, for the coordinators that keep their state in one.
import { BATCH_CONTROL, type BatchHeader, type KafkaRecord, readRecords } from '@millrace/kafka-protocol';
import { readMarker, type TransactionMarker } from './control-batch.ts';
import type { PartitionLog } from './partition-log.ts';

export interface LogVisitor {
  record(record: KafkaRecord, header: BatchHeader): void;
  /** A transaction ended. */
  marker?(marker: TransactionMarker, offset: number): void;
}

/** Visits every record from the start of the log. */
export async function replayLog(log: PartitionLog, visitor: LogVisitor): Promise<void> {
  for (const segment of log.segments) {
    for (const placed of segment.headers(0)) {
      const { header } = placed;
      const bytes = await segment.readBatch(placed);
      if (header.attributes & BATCH_CONTROL) {
        const marker = readMarker(bytes, header);
        if (marker) visitor.marker?.(marker, header.baseOffset);
        continue;
      }
      for (const record of readRecords(bytes, 0, header)) visitor.record(record, header);
    }
  }
}
