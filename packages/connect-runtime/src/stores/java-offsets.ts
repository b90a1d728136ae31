// The offset file of Connect's standalone worker: a `HashMap<byte[], byte[]>` in Java's serialization, so that either
// worker goes on with what the other has left:
//   AC ED 00 05                                                        stream, version 5
//   73 72 "java.util.HashMap" suid 03 [F loadFactor, I threshold] 78 70  an object and its class
//   loadFactor float32, threshold int32                                its fields
//   77 08 buckets int32, size int32                                    what HashMap writes beside them
//   size times a key and a value, each
//     75 CLASS length int32, bytes                                     a byte array
//     70                                                               null (values only: the offset was removed)
//   78
// CLASS is written out the first time (72 "[B" suid 02 00 00 78 70), then 71 and the int32 of its handle. Texts have an
// int16 of length. (Java Object Serialization Specification, chapter 6.)
import { connectError } from '../errors.ts';

/** A key and its value as bytes; a null value is a removed offset. */
export type OffsetEntry = readonly [key: Buffer, value: Buffer | null];

const TC = {
  null: 0x70,
  reference: 0x71,
  classDesc: 0x72,
  object: 0x73,
  array: 0x75,
  blockData: 0x77,
  endBlockData: 0x78,
} as const;
const HASH_MAP = Buffer.from(
  'aced00057372' +
    '0011' +
    '6a6176612e7574696c2e486173684d6170' +
    '0507dac1c31660d1' +
    '03' +
    '0002' +
    '46000a6c6f6164466163746f72' +
    '4900097468726573686f6c64' +
    '78' +
    '70',
  'hex',
);
const BYTES_CLASS = Buffer.from('72' + '00025b42' + 'acf317f8060854e0' + '02' + '0000' + '78' + '70', 'hex');
const FIRST_HANDLE = 0x7e0000;
/** The map's class and the map have the first two handles, the class of byte arrays the third. */
const BYTES_CLASS_HANDLE = FIRST_HANDLE + 2;
const LOAD_FACTOR = 0.75;
const MIN_BUCKETS = 16;

/** The file's bytes. */
export function encodeOffsetFile(entries: readonly OffsetEntry[]): Buffer {
  let buckets = MIN_BUCKETS;
  while (buckets * LOAD_FACTOR < entries.length) buckets *= 2;
  const fields = Buffer.alloc(18);
  fields.writeFloatBE(LOAD_FACTOR, 0);
  // A map that never held anything has not made its table yet.
  fields.writeInt32BE(entries.length === 0 ? 0 : buckets * LOAD_FACTOR, 4);
  fields.writeUInt8(TC.blockData, 8);
  fields.writeUInt8(8, 9);
  fields.writeInt32BE(buckets, 10);
  fields.writeInt32BE(entries.length, 14);
  const parts: Buffer[] = [HASH_MAP, fields];
  let isFirst = true;
  const array = (bytes: Buffer): void => {
    const head = Buffer.alloc(isFirst ? 1 + BYTES_CLASS.length + 4 : 10);
    head.writeUInt8(TC.array, 0);
    if (isFirst) BYTES_CLASS.copy(head, 1);
    else {
      head.writeUInt8(TC.reference, 1);
      head.writeInt32BE(BYTES_CLASS_HANDLE, 2);
    }
    head.writeInt32BE(bytes.length, head.length - 4);
    parts.push(head, bytes);
    isFirst = false;
  };
  for (const [key, value] of entries) {
    array(key);
    if (value === null) parts.push(Buffer.of(TC.null));
    else array(value);
  }
  parts.push(Buffer.of(TC.endBlockData));
  return Buffer.concat(parts);
}

/** Reads the file's bytes; an empty file has no offsets. @throws connect.offset_file */
export function decodeOffsetFile(bytes: Buffer): OffsetEntry[] {
  if (bytes.length === 0) return [];
  const reader = new Reader(bytes);
  reader.expect(HASH_MAP, 'a HashMap of Java');
  reader.take(8);
  reader.expect(Buffer.of(TC.blockData, 8), 'the size of the map');
  reader.take(4);
  const size = reader.int32();
  const entries: OffsetEntry[] = [];
  for (let i = 0; i < size; i++) {
    const key = reader.byteArray();
    if (key === null) return reader.malformed('a key is null');
    entries.push([key, reader.byteArray()]);
  }
  if (size < 0) reader.malformed('the size is negative');
  reader.expect(Buffer.of(TC.endBlockData), 'the end of the map');
  return entries;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  /** What has a handle from the class of byte arrays on: that class, then arrays in their order. */
  readonly #handles: ('class' | Buffer)[] = [];

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  take(length: number): Buffer {
    if (length < 0 || length > this.#bytes.length - this.#at) this.malformed('it ends too early');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
  int32(): number {
    return this.take(4).readInt32BE();
  }
  expect(wanted: Buffer, what: string): void {
    const at = this.#at;
    if (!this.take(Math.min(wanted.length, this.#bytes.length - at)).equals(wanted)) {
      this.#at = at;
      this.malformed(`${what} is expected`);
    }
  }
  byteArray(): Buffer | null {
    const tag = this.take(1)[0];
    if (tag === TC.null) return null;
    if (tag === TC.reference) {
      const known = this.#referred();
      return known instanceof Buffer ? known : this.malformed('a reference to no byte array');
    }
    if (tag !== TC.array) this.malformed('a byte array is expected');
    if (this.#bytes[this.#at] === TC.classDesc) {
      this.expect(BYTES_CLASS, 'the class of byte arrays');
      this.#handles.push('class');
    } else {
      this.expect(Buffer.of(TC.reference), 'the class of byte arrays');
      if (this.#referred() !== 'class') this.malformed('a reference to no class of byte arrays');
    }
    const array = Buffer.from(this.take(this.int32()));
    this.#handles.push(array);
    return array;
  }
  #referred(): 'class' | Buffer | undefined {
    return this.#handles[this.int32() - BYTES_CLASS_HANDLE];
  }
  malformed(what: string): never {
    throw connectError('connect.offset_file', `no offset file of Connect: ${what} at byte ${this.#at}`, {
      context: { position: this.#at },
    });
  }
}
