// Topics whose compression.type is not `producer` store every batch in the codec they name. The only place where the
// broker writes records anew.
import {
  BATCH_CODEC_MASK,
  BATCH_TRANSACTIONAL,
  BatchBuilder,
  type BatchHeader,
  type Compression,
  compressionCode,
  joined,
  readRecords,
} from '@millrace/kafka-protocol';

/** The batch in another codec, or undefined when it has that codec already. @throws kafka.malformed */
export function recompress(batch: Buffer, header: BatchHeader, codec: Compression): Buffer | undefined {
  if ((header.attributes & BATCH_CODEC_MASK) === compressionCode(codec)) return undefined;
  const builder = new BatchBuilder({ initialBytes: batch.length, maxBytes: Number.MAX_SAFE_INTEGER });
  for (const { timestamp, key, value, headers } of readRecords(batch, 0, header)) {
    const keyLength = key?.length ?? 0;
    const source = joined(key, value);
    builder.append(
      timestamp,
      source,
      key === null ? -1 : 0,
      keyLength,
      value === null ? -1 : keyLength,
      source.length,
      headers,
    );
  }
  return builder.finish({
    compression: codec,
    producerId: header.producerId,
    producerEpoch: header.producerEpoch,
    baseSequence: header.baseSequence,
    transactional: (header.attributes & BATCH_TRANSACTIONAL) !== 0,
  });
}
