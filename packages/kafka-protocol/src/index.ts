/** Kafka wire protocol: compiled codecs, record batches, compression, checksums; SASL, and TLS settings from Kafka's keys. No sockets. */
export { API, type ApiName, type ApiSpec, apiSpec } from './api.ts';
export {
  appendRecord,
  BatchBuilder,
  type BatchBuilderOptions,
  type BatchSeal,
  headersSize,
  joined,
  type SimpleRecord,
  simpleBatch,
} from './batch-builder.ts';
export type { Body, Encodable, RequestBody, ResponseBody, TypedBodies } from './body.ts';
export {
  decodeRequestBody,
  decodeRequestHeader,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  type RequestHeader,
  type StructCodec,
  structCodec,
} from './codec.ts';
export {
  type Compression,
  canCompress,
  compress,
  compressionCode,
  compressionName,
  decompress,
} from './compression/codec.ts';
export { crc32c, plainCrc32c } from './crc32c.ts';
export { FrameReader, type FrameReaderOptions } from './frame-reader.ts';
export { type KafkaErrorInfo, KafkaErrors, kafkaError, kafkaErrorName } from './kafka-errors.ts';
export { NEVER } from './layout.ts';
export { murmur2, murmur2Partition } from './murmur2.ts';
export {
  BATCH_CODEC_MASK,
  BATCH_CONTROL,
  BATCH_DELETE_HORIZON,
  BATCH_LOG_APPEND_TIME,
  BATCH_OVERHEAD,
  BATCH_TRANSACTIONAL,
  type BatchHeader,
  batchCrcValid,
  patchBatch,
  readBatchHeader,
  resealBatch,
  stampLogAppendTime,
  writeBatchCrc,
  writeBatchHeader,
} from './record-batch.ts';
export {
  decodeReference,
  encodeReference,
  type HandOverEnd,
  type RecordReference,
  type SlabMessage,
} from './record-reference.ts';
export {
  type KafkaRecord,
  openRecords,
  type RecordHeader,
  type RecordReader,
  readRecords,
} from './records.ts';
export { type JaasEntry, JaasError, parseJaas, parseJaasFile } from './security/jaas.ts';
export {
  type ClientFirst,
  checkClientFinal,
  checkServerFinal,
  clientFinal,
  clientFirst,
  isScramMechanism,
  newNonce,
  parseClientFirst,
  parseServerFirst,
  SCRAM_MAX_ITERATIONS,
  SCRAM_MECHANISMS,
  SCRAM_MIN_ITERATIONS,
  type ScramCredential,
  ScramError,
  type ScramMechanism,
  saltPassword,
  scramCredential,
  serverFirst,
} from './security/scram.ts';
export { hasKeyStore, type SettingReader, tlsSettings } from './security/tls-settings.ts';
export type { Int64 } from './wire.ts';
