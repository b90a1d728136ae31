// The records of `__consumer_offsets` in Kafka's schemas. Key: a version (int16), which is the kind of record, and
// fields; value: a version of its own, and fields. A null value takes back what the key stands for. Kinds that are
// not listed (groups of KIP-848, share groups) are skipped when reading.
//
//   key 0, 1 offset commit of (group, topic, partition) -> value 0 to 4
//   key 2    classic group                              -> value 0 to 4
import { type Body, NEVER, type SimpleRecord, structCodec } from '@millrace/kafka-protocol';
import { ZERO_UUID } from '../metadata/topics.ts';

const OFFSET_KEY = 1;
const GROUP_KEY = 2;
const OFFSET_VALUE = 4;
const GROUP_VALUE = 3;

const offsetKey = structCodec(
  `
  group: string
  topic: string
  partition: int32
  `,
  NEVER,
);
const groupKey = structCodec('group: string', NEVER);
const offsetValue = structCodec(
  `
  offset: int64
  leaderEpoch: int32 3+ = -1
  metadata: string
  commitTimestamp: int64
  expireTimestamp: int64 1 = -1
  topicId: uuid 4+ tag 0
  `,
  4,
);
const groupValue = structCodec(
  `
  protocolType: string
  generation: int32
  protocol: string?
  leader: string?
  currentStateTimestamp: int64 2+ = -1
  members: [struct] {
    memberId: string
    groupInstanceId: string? 3+ = null
    clientId: string
    clientHost: string
    rebalanceTimeout: int32 1+
    sessionTimeout: int32
    subscription: bytes
    assignment: bytes
  }
  `,
  4,
);

/** A committed offset. */
export interface CommittedOffset {
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitTimestamp: number;
  /** The topic it was committed for, which a later topic of that name is not. */
  readonly topicId: string;
}

/** What is stored of a member. */
export interface StoredMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeout: number;
  readonly sessionTimeout: number;
  readonly subscription: Buffer;
  readonly assignment: Buffer;
}

/** What is stored of a group. */
export interface StoredGroup {
  readonly protocolType: string;
  readonly generation: number;
  readonly protocol: string | null;
  readonly leader: string | null;
  readonly currentStateTimestamp: number;
  readonly members: readonly StoredMember[];
}

/** A committed offset, or (`value` undefined) none any more. */
export interface OffsetRecord {
  readonly kind: 'offset';
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly value: CommittedOffset | undefined;
}

/** A record as the coordinator sees it; `value` undefined = taken back. */
export type GroupRecord =
  | OffsetRecord
  | { readonly kind: 'group'; readonly group: string; readonly value: StoredGroup | undefined };

/** To bytes, as a record of the log. */
export function encodeGroupRecord(record: GroupRecord, timestamp: number): SimpleRecord {
  if (record.kind === 'offset') {
    const { group, topic, partition, value } = record;
    return {
      timestamp,
      key: versioned(OFFSET_KEY, offsetKey.encode(OFFSET_KEY, { group, topic, partition })),
      value: value ? versioned(OFFSET_VALUE, offsetValue.encode(OFFSET_VALUE, value)) : null,
    };
  }
  return {
    timestamp,
    key: versioned(GROUP_KEY, groupKey.encode(GROUP_KEY, { group: record.group })),
    value: record.value ? versioned(GROUP_VALUE, groupValue.encode(GROUP_VALUE, record.value)) : null,
  };
}

/**
 * From bytes; undefined for kinds that are not ours to read.
 *
 * @throws kafka.malformed, kafka.unsupported_version
 */
export function decodeGroupRecord(key: Buffer, value: Buffer | null): GroupRecord | undefined {
  if (key.length < 2) return undefined;
  const kind = key.readInt16BE(0);
  if (kind === 0 || kind === OFFSET_KEY) {
    const { group, topic, partition } = offsetKey.decode(kind, key, 2) as {
      group: string;
      topic: string;
      partition: number;
    };
    return { kind: 'offset', group, topic, partition, value: value ? decodeOffset(value) : undefined };
  }
  if (kind !== GROUP_KEY) return undefined;
  const group = String(groupKey.decode(kind, key, 2)['group']);
  return { kind: 'group', group, value: value ? decodeGroup(value) : undefined };
}

function decodeOffset(value: Buffer): CommittedOffset {
  const body = offsetValue.decode(value.readInt16BE(0), value, 2);
  return {
    offset: Number(body['offset']),
    leaderEpoch: Number(body['leaderEpoch'] ?? -1),
    metadata: String(body['metadata']),
    commitTimestamp: Number(body['commitTimestamp']),
    topicId: String(body['topicId'] ?? ZERO_UUID),
  };
}

function decodeGroup(value: Buffer): StoredGroup {
  const body: Body = groupValue.decode(value.readInt16BE(0), value, 2);
  const stored = body as unknown as StoredGroup;
  return {
    ...stored,
    currentStateTimestamp: stored.currentStateTimestamp ?? -1,
    members: stored.members.map((member) => ({
      ...member,
      groupInstanceId: member.groupInstanceId ?? null,
      rebalanceTimeout: member.rebalanceTimeout ?? member.sessionTimeout,
    })),
  };
}

function versioned(version: number, fields: Buffer): Buffer {
  const head = Buffer.allocUnsafe(2);
  head.writeInt16BE(version, 0);
  return Buffer.concat([head, fields]);
}
