// Log sequence numbers: 64-bit positions in the WAL. As data values they follow the int64 rule (a number while safe,
// a bigint beyond), and JavaScript compares the two kinds exactly with `<`.
import { int64 } from '@millrace/data';

export type Lsn = number | bigint;

/** The position in `bytes` at `at`, 8 bytes big-endian. */
export function readLsn(bytes: Buffer, at: number): Lsn {
  const high = bytes.readUInt32BE(at);
  const low = bytes.readUInt32BE(at + 4);
  return high < 0x200000 ? high * 4294967296 + low : (BigInt(high) << 32n) | BigInt(low);
}

export function writeLsn(bytes: Buffer, lsn: Lsn, at: number): void {
  bytes.writeBigUInt64BE(BigInt(lsn), at);
}

/** `16/B374D848` to a position; undefined when the text is none. */
export function parseLsn(text: string): Lsn | undefined {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  return int64((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`));
}

export function formatLsn(lsn: Lsn): string {
  const value = BigInt(lsn);
  return `${(value >> 32n).toString(16)}/${(value & 0xffffffffn).toString(16)}`.toUpperCase();
}

export function maxLsn(a: Lsn, b: Lsn): Lsn {
  return a > b ? a : b;
}
