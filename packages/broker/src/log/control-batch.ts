// The control batch that ends a transaction on one partition: one record, whose key says how it ended.
//
//   key   version int16 = 0, type int16: 0 abort, 1 commit
//   value version int16 = 0, coordinatorEpoch int32
import { type BatchHeader, readRecords, simpleBatch } from '@millrace/kafka-protocol';

/** How a transaction ended on a partition. */
export interface TransactionMarker {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly commit: boolean;
  readonly coordinatorEpoch: number;
}

const ABORT = 0;
const COMMIT = 1;
const KEY_BYTES = 4;
const VALUE_BYTES = 6;

/** The batch of a marker, with base offset 0. */
export function markerBatch(marker: TransactionMarker, timestamp: number): Buffer {
  const key = Buffer.alloc(KEY_BYTES);
  key.writeInt16BE(marker.commit ? COMMIT : ABORT, 2);
  const value = Buffer.alloc(VALUE_BYTES);
  value.writeInt32BE(marker.coordinatorEpoch, 2);
  return simpleBatch([{ key, value, timestamp }], {
    producerId: marker.producerId,
    producerEpoch: marker.producerEpoch,
    transactional: true,
    control: true,
  });
}

/** Reads the marker of a control batch; undefined when it is of another kind, or empty since a cleaner came by. */
export function readMarker(batch: Buffer, header: BatchHeader): TransactionMarker | undefined {
  const record = readRecords(batch, 0, header)[0];
  if (!record?.key || record.key.length < KEY_BYTES) return undefined;
  const type = record.key.readInt16BE(2);
  if (type !== ABORT && type !== COMMIT) return undefined;
  const { producerId, producerEpoch } = header;
  const coordinatorEpoch =
    record.value && record.value.length >= VALUE_BYTES ? record.value.readInt32BE(2) : -1;
  return { producerId, producerEpoch, commit: type === COMMIT, coordinatorEpoch };
}
