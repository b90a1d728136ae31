// CRC-32C (Castagnoli): the native module when it loads, else slicing-by-8 in plain code (a fifth of its speed).
import { createRequire } from 'node:module';

type Crc32c = (bytes: Uint8Array) => number;

/** CRC-32C of `bytes[start, end)`. */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  const range = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
  return implementation(range);
}

const implementation: Crc32c = loadNative() ?? plainCrc32c;

function loadNative(): Crc32c | undefined {
  try {
    const native = createRequire(import.meta.url)('@node-rs/crc32') as { crc32c: (b: Uint8Array) => number };
    return (bytes) => native.crc32c(bytes);
  } catch {
    return undefined; // An optional dependency: platforms without a prebuilt binary use the plain code.
  }
}

const SLICES = 8;
const POLYNOMIAL = 0x82f63b78; // reversed 0x1EDC6F41
let tables: Uint32Array | undefined;

function makeTables(): Uint32Array {
  const made = new Uint32Array(SLICES * 256);
  for (let i = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    made[i] = crc;
  }
  for (let i = 256; i < made.length; i++) {
    const before = made[i - 256] ?? 0;
    made[i] = (before >>> 8) ^ (made[before & 0xff] ?? 0);
  }
  return made;
}

/** The implementation without native code. Exported for its test and for comparison. */
export function plainCrc32c(bytes: Uint8Array): number {
  const t = (tables ??= makeTables()) as unknown as Readonly<Record<number, number>> & Uint32Array;
  const at = (i: number): number => t[i] as number;
  const byte = (i: number): number => bytes[i] as number;
  let crc = 0xffffffff;
  let i = 0;
  for (const whole = bytes.length - 7; i < whole; i += 8) {
    const low = crc ^ (byte(i) | (byte(i + 1) << 8) | (byte(i + 2) << 16) | (byte(i + 3) << 24));
    crc =
      at(1792 + (low & 0xff)) ^
      at(1536 + ((low >>> 8) & 0xff)) ^
      at(1280 + ((low >>> 16) & 0xff)) ^
      at(1024 + (low >>> 24)) ^
      at(768 + byte(i + 4)) ^
      at(512 + byte(i + 5)) ^
      at(256 + byte(i + 6)) ^
      at(byte(i + 7));
  }
  for (; i < bytes.length; i++) crc = at((crc ^ byte(i)) & 0xff) ^ (crc >>> 8);
  return ~crc >>> 0;
}
