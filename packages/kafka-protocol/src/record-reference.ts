// What stands in a produce request in place of records that go another way: worker and bundled broker are threads of one
// process, and records that both can see need not go through the kernel. The worker copies them into a slab of shared memory,
// leaves their checksum to the broker, which would compute it once more, and names the slab; whatever else a request does,
// its login, its order and its answer, stays on the connection.
//
//   0  secret, 16 bytes  of the two threads; nobody else can name a slab
//  16  slab, uint32
//  20  length, uint32    of the records, which begin where the slab does
//  24  zeros up to 32    a record batch has 61 bytes at least

import type { MessagePort } from 'node:worker_threads';

const REFERENCE_BYTES = 32;
const SECRET_BYTES = 16;

/** Records in shared memory. */
export interface RecordReference {
  /** In hex. */
  readonly secret: string;
  readonly slab: number;
  readonly length: number;
}

/** What the broker gives to a thread that writes. */
export interface HandOverEnd {
  /** Of the broker, as its clients know it: `host:port`. */
  readonly address: string;
  /** 16 bytes, in hex. */
  readonly secret: string;
  /** Takes `SlabMessage`s; to be transferred to the thread. */
  readonly port: MessagePort;
}

/** What the worker's thread tells the broker's before it names a slab for the first time, or when it never will again. */
export interface SlabMessage {
  readonly slab: number;
  /** Null: the broker lets go of the slab. */
  readonly memory: SharedArrayBuffer | null;
}

/** The bytes that stand for the records. */
export function encodeReference({ secret, slab, length }: RecordReference): Buffer {
  const bytes = Buffer.alloc(REFERENCE_BYTES);
  bytes.write(secret, 'hex');
  bytes.writeUInt32BE(slab, SECRET_BYTES);
  bytes.writeUInt32BE(length, SECRET_BYTES + 4);
  return bytes;
}

/** Undefined for bytes that can be no reference. */
export function decodeReference(bytes: Buffer): RecordReference | undefined {
  if (bytes.length !== REFERENCE_BYTES || bytes.readBigUInt64BE(SECRET_BYTES + 8) !== 0n) return undefined;
  return {
    secret: bytes.toString('hex', 0, SECRET_BYTES),
    slab: bytes.readUInt32BE(SECRET_BYTES),
    length: bytes.readUInt32BE(SECRET_BYTES + 4),
  };
}
