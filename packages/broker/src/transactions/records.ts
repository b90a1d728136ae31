// The records of `__transaction_state` in Kafka's schemas. Key: version int16 = 0 and the transactional id; value: a
// version, of which 1 is flexible, and what is known of the id. A null value forgets it.
import { NEVER, type SimpleRecord, structCodec } from '@millrace/kafka-protocol';
import { STATES, type TransactionState } from './states.ts';

const KEY = 0;
const VALUE = 1;

const key = structCodec('transactionalId: string', NEVER);
const value = structCodec(
  `
  producerId: int64
  previousProducerId: int64 1+ = -1 tag 0
  nextProducerId: int64 1+ = -1 tag 1
  producerEpoch: int16
  timeoutMs: int32
  status: int8
  partitions: [struct]? {
    topic: string
    partitionIds: [int32]
  }
  lastUpdateMs: int64
  startMs: int64
  clientVersion: int16 1+ = 0 tag 2
  `,
  VALUE,
);

/** What is stored of a transactional id. */
export interface StoredTransaction {
  readonly producerId: number;
  /** The id before it was exhausted; else the same. */
  readonly previousProducerId: number;
  /** The id that follows once this transaction is complete; -1 when it stays. */
  readonly nextProducerId: number;
  /** -1 before the first producer; up to 32767. */
  readonly producerEpoch: number;
  readonly timeoutMs: number;
  readonly state: TransactionState;
  /** Partitions that get a marker: topic -> numbers. */
  readonly partitions: ReadonlyMap<string, ReadonlySet<number>>;
  readonly lastUpdateMs: number;
  /** -1 before the first transaction. */
  readonly startMs: number;
  /** 2 when a client of KIP-890 wrote last; 0 otherwise. */
  readonly clientVersion: number;
}

/** To bytes, as a record of the log; undefined forgets the id. */
export function encodeTransaction(
  transactionalId: string,
  stored: StoredTransaction | undefined,
  timestamp: number,
): SimpleRecord {
  return {
    timestamp,
    key: versioned(KEY, key.encode(KEY, { transactionalId })),
    value: stored ? versioned(VALUE, value.encode(VALUE, toBody(stored))) : null,
  };
}

/**
 * From bytes; undefined for kinds that are not ours to read.
 *
 * @throws kafka.malformed, kafka.unsupported_version
 */
export function decodeTransaction(
  keyBytes: Buffer,
  valueBytes: Buffer | null,
): { readonly transactionalId: string; readonly stored: StoredTransaction | undefined } | undefined {
  if (keyBytes.length < 2 || keyBytes.readInt16BE(0) !== KEY) return undefined;
  const transactionalId = String(key.decode(KEY, keyBytes, 2)['transactionalId']);
  return { transactionalId, stored: valueBytes ? fromBytes(valueBytes) : undefined };
}

function toBody(stored: StoredTransaction): object {
  const { partitions, state } = stored;
  const list = [...partitions].map(([topic, ids]) => ({
    topic,
    partitionIds: [...ids].sort((a, b) => a - b),
  }));
  return { ...stored, status: STATES.indexOf(state), partitions: state === 'Empty' ? null : list };
}

function fromBytes(bytes: Buffer): StoredTransaction | undefined {
  if (bytes.length < 2) return undefined;
  const body = value.decode(bytes.readInt16BE(0), bytes, 2);
  const state = STATES[Number(body['status'])];
  if (!state) return undefined;
  const partitions = (body['partitions'] ?? []) as readonly { topic: string; partitionIds: number[] }[];
  const producerId = Number(body['producerId']);
  return {
    producerId,
    previousProducerId: Number(body['previousProducerId'] ?? producerId),
    nextProducerId: Number(body['nextProducerId'] ?? -1),
    producerEpoch: Number(body['producerEpoch']),
    timeoutMs: Number(body['timeoutMs']),
    state,
    partitions: new Map(partitions.map(({ topic, partitionIds }) => [topic, new Set(partitionIds)])),
    lastUpdateMs: Number(body['lastUpdateMs']),
    startMs: Number(body['startMs']),
    clientVersion: Number(body['clientVersion'] ?? 0),
  };
}

function versioned(version: number, fields: Buffer): Buffer {
  const head = Buffer.allocUnsafe(2);
  head.writeInt16BE(version, 0);
  return Buffer.concat([head, fields]);
}
