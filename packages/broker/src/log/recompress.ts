// Topics whose compression.type is not `producer` store every batch in the codec they name. The only place where the
// broker writes records anew.
import {
  appendRecord,
  BATCH_CODEC_MASK,
  BATCH_TRANSACTIONAL,
  BatchBuilder,
  type BatchHeader,
  type Compression,
  canCompress,
  compressionCode,
  readRecords,
} from '@millrace/kafka-protocol';

/**
 * The batch in another codec; undefined when it has that codec already, or this Node cannot write it: then it is
 * stored as it was sent, which every reader takes.
 *
 * @throws kafka.malformed
 */
export function recompress(batch: Buffer, header: BatchHeader, codec: Compression): Buffer | undefined {
  if (!canCompress(codec)) return undefined;
  if ((header.attributes & BATCH_CODEC_MASK) === compressionCode(codec)) return undefined;
  const builder = new BatchBuilder({ initialBytes: batch.length, maxBytes: Number.MAX_SAFE_INTEGER });
  for (const record of readRecords(batch, 0, header)) appendRecord(builder, record);
  return builder.finish({
    compression: codec,
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
    transactional: (header.attributes & BATCH_TRANSACTIONAL) !== 0,
  });
}
