// The bytes workers exchange through the group protocol (protocol type `connect`), versions 0 (eager), 1 (compatible) and
// 2 (sessioned); the last two are equal but for the number, and the first has nothing of what follows a `*`:
//   metadata   = version int16, url string, configOffset int64, * allocation nullable bytes (an assignment)
//   assignment = version int16, error int16, leader string, leaderUrl string, configOffset int64,
//                assigned nullable [{connector string, tasks [int32]}], * revoked the same, delay int32
// An assignment of ours may have one more byte, 1: `assigned` is all that the worker runs, not what is added to it. Other
// workers read as far as they know and pass it by.
// Strings have an int16 length, bytes and arrays an int32; task -1 is the connector itself.
import { connectError } from '../errors.ts';
import type { WorkItem } from './work.ts';

/** The group's name of the protocol under which everybody gives up all work before each rebalance. */
export const EAGER = 'default';

/**
 * Ways of sharing work in order of preference: as the config and as the group names them, with the version in their
 * bytes. A worker offers its own and those below it.
 */
export const CONNECT_PROTOCOLS = [
  { config: 'sessioned', name: 'sessioned', version: 2 },
  { config: 'compatible', name: 'compatible', version: 1 },
  { config: 'eager', name: 'default', version: 0 },
] as const;

export interface WorkerMetadata {
  readonly url: string;
  /** Offset in the config topic up to which the worker knows it. */
  readonly configOffset: number;
  /** What the worker runs now. */
  readonly allocation: readonly WorkItem[];
}

export interface WorkerAssignment {
  /** 1 = the leader knows less of the config topic than this worker does. */
  readonly error: number;
  readonly leader: string;
  readonly leaderUrl: string;
  readonly configOffset: number;
  readonly assigned: readonly WorkItem[];
  readonly revoked: readonly WorkItem[];
  /** Milliseconds after which the worker joins again, because work waits for a lost worker; 0 = none. */
  readonly delayMs: number;
  /** Whether `assigned` is everything the worker runs from now on; else it is what is added. */
  readonly whole: boolean;
}

export const CONFIG_MISMATCH = 1;
const WHOLE = Buffer.of(1);
const MAX_ITEMS = 1_000_000;

export function encodeMetadata(metadata: WorkerMetadata, version: number): Buffer {
  const head = [int16(version), string(metadata.url), int64(metadata.configOffset)];
  if (version === 0) return Buffer.concat(head);
  const allocation = encodeAssignment(
    {
      error: 0,
      leader: '',
      leaderUrl: '',
      configOffset: metadata.configOffset,
      assigned: metadata.allocation,
      revoked: [],
      delayMs: 0,
      whole: false,
    },
    version,
  );
  return Buffer.concat([...head, int32(allocation.length), allocation]);
}

/** @throws connect.malformed_assignment */
export function decodeMetadata(bytes: Buffer): WorkerMetadata {
  const reader = new Reader(bytes);
  const version = reader.int16();
  const url = reader.string();
  const configOffset = reader.int64();
  const allocation = version >= 1 && reader.left > 0 ? reader.nullableBytes() : null;
  return { url, configOffset, allocation: allocation ? decodeAssignment(allocation).assigned : [] };
}

export function encodeAssignment(assignment: WorkerAssignment, version: number): Buffer {
  return Buffer.concat([
    int16(version),
    int16(assignment.error),
    string(assignment.leader),
    string(assignment.leaderUrl),
    int64(assignment.configOffset),
    items(assignment.assigned),
    ...(version === 0 ? [] : [items(assignment.revoked), int32(assignment.delayMs)]),
    ...(assignment.whole ? [WHOLE] : []),
  ]);
}

/** @throws connect.malformed_assignment */
export function decodeAssignment(bytes: Buffer): WorkerAssignment {
  const reader = new Reader(bytes);
  const version = reader.int16();
  return {
    error: reader.int16(),
    leader: reader.string(),
    leaderUrl: reader.string(),
    configOffset: reader.int64(),
    assigned: reader.items(),
    revoked: version >= 1 ? reader.items() : [],
    delayMs: version >= 1 ? reader.int32() : 0,
    whole: reader.left === 1 && reader.byte() === WHOLE[0],
  };
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}
function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
function int64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}
function string(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([int16(bytes.length), bytes]);
}

function items(list: readonly WorkItem[]): Buffer {
  const byConnector = new Map<string, number[]>();
  for (const { connector, task } of list) {
    const tasks = byConnector.get(connector) ?? [];
    tasks.push(task);
    byConnector.set(connector, tasks);
  }
  const parts = [int32(byConnector.size)];
  for (const [connector, tasks] of byConnector) {
    parts.push(string(connector), int32(tasks.length), ...tasks.map(int32));
  }
  return Buffer.concat(parts);
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  get left(): number {
    return this.#bytes.length - this.#at;
  }
  byte(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }
  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2));
  }
  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }
  int64(): number {
    return Number(this.#bytes.readBigInt64BE(this.#take(8)));
  }
  string(): string {
    const length = this.int16();
    if (length < 0) this.#malformed('a string without a length');
    const start = this.#take(length);
    return this.#bytes.toString('utf8', start, start + length);
  }
  nullableBytes(): Buffer | null {
    const length = this.int32();
    if (length < 0) return null;
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }
  items(): WorkItem[] {
    const found: WorkItem[] = [];
    for (let connectors = this.int32(); connectors > 0; connectors--) {
      const connector = this.string();
      for (let tasks = this.int32(); tasks > 0; tasks--) {
        found.push({ connector, task: this.int32() });
        if (found.length > MAX_ITEMS) this.#malformed('more work than there can be');
      }
    }
    return found;
  }
  #take(length: number): number {
    const start = this.#at;
    if (length > this.left) this.#malformed(`${length} bytes expected, ${this.left} left`);
    this.#at += length;
    return start;
  }
  #malformed(what: string): never {
    throw connectError('connect.malformed_assignment', `Malformed group metadata at ${this.#at}: ${what}`, {
      context: { position: this.#at },
    });
  }
}
