// Changes bytes as a broken or hostile client would.

/** A copy with one to four changes: bits, numbers at their limits, a cut, bytes put in or said twice. */
export function mutate(bytes: Buffer, random: () => number): Buffer {
  let changed: Buffer = Buffer.from(bytes);
  for (let changes = 1 + Math.floor(random() * 4); changes > 0 && changed.length > 0; changes--) {
    const at = Math.floor(random() * changed.length);
    const kind = Math.floor(random() * 6);
    if (kind === 0) changed[at] = (changed[at] ?? 0) ^ (1 << Math.floor(random() * 8));
    else if (kind === 1) changed[at] = Math.floor(random() * 256);
    else if (kind === 2) LIMITS[Math.floor(random() * LIMITS.length)]?.copy(changed, at);
    else if (kind === 3) changed = changed.subarray(0, at);
    else {
      const piece =
        kind === 4 ? Buffer.alloc(1 + Math.floor(random() * 8), 0xff) : changed.subarray(at, at + 20);
      changed = Buffer.concat([changed.subarray(0, at), piece, changed.subarray(at)]);
    }
  }
  return Buffer.from(changed);
}

/** Lengths and counts that promise more than there is, in both encodings of the protocol. */
const LIMITS = [
  '7fffffff',
  '80000000',
  'ffffffff',
  '7fff',
  '8000',
  '0fffffff',
  'ffffffff07',
  'ffffffff0f',
  '00',
].map((hex) => Buffer.from(hex, 'hex'));
