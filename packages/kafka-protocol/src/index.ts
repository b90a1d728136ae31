/** Kafka wire protocol: compiled codecs, record batches, checksums. */
export {};
