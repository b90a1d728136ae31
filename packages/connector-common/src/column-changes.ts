// Columns whose values are hidden or cut on their way: column.mask.with.N.chars, column.mask.hash[.v2].ALG.with.salt.S,
// column.truncate.to.N.chars. The number, algorithm and salt are part of the key; the value lists columns.
import { createHash } from 'node:crypto';
import type { RawConfig } from '@millrace/foundation';
import { matchesAny, type NameFilter } from './name-filter.ts';

/** What is done to a column's text. */
export type ColumnChange =
  | { readonly kind: 'mask'; readonly text: string }
  | { readonly kind: 'truncate'; readonly length: number }
  | { readonly kind: 'hash'; readonly hash: (text: string) => string };

/** The change for a column named `schema.table.column`, if one is asked for. */
export type ColumnChanges = (column: string) => ColumnChange | undefined;

const MASK = /^column\.mask\.with\.(\d+)\.chars$/;
const TRUNCATE = /^column\.truncate\.to\.(\d+)\.chars$/;
const HASH = /^column\.mask\.hash\.(v2\.)?([^.]+)\.with\.salt\.(.+)$/;

/** Whether a config key is one of these, whose names no definition can list. */
export function isColumnChangeKey(key: string): boolean {
  return MASK.test(key) || TRUNCATE.test(key) || HASH.test(key);
}

/** @throws config.regex_invalid */
export function columnChanges(config: RawConfig): ColumnChanges {
  const rules: (readonly [NameFilter, ColumnChange])[] = [];
  for (const [key, list] of Object.entries(config)) {
    const mask = MASK.exec(key);
    const truncate = TRUNCATE.exec(key);
    const hash = HASH.exec(key);
    if (mask) rules.push([matchesAny(list), { kind: 'mask', text: '*'.repeat(Number(mask[1])) }]);
    else if (truncate) rules.push([matchesAny(list), { kind: 'truncate', length: Number(truncate[1]) }]);
    else if (hash)
      rules.push([matchesAny(list), hashing(hash[2] ?? '', hash[3] ?? '', hash[1] !== undefined)]);
  }
  return (column) => rules.find(([matches]) => matches(column))?.[1];
}

function hashing(algorithm: string, salt: string, overText: boolean): ColumnChange {
  const name = algorithm.toLowerCase().replace('-', '');
  return {
    kind: 'hash',
    hash: (text) =>
      createHash(name)
        .update(salt)
        .update(overText ? text : javaSerialized(text))
        .digest('hex'),
  };
}

/**
 * The first version of the hash is over the string as Java serializes it: magic, version, tag, length and the text in
 * UTF-8 (the supplementary characters as two surrogates of three bytes each, as `DataOutput.writeUTF` does).
 */
function javaSerialized(text: string): Buffer {
  const body = modifiedUtf8(text);
  const long = body.length > 0xffff;
  const header = Buffer.alloc(5 + (long ? 8 : 2));
  header.writeUInt32BE(0xaced0005, 0);
  header[4] = long ? 0x7c : 0x74;
  if (long) header.writeBigUInt64BE(BigInt(body.length), 5);
  else header.writeUInt16BE(body.length, 5);
  return Buffer.concat([header, body]);
}

function modifiedUtf8(text: string): Buffer {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit !== 0 && unit < 0x80) bytes.push(unit);
    else if (unit < 0x800) bytes.push(0xc0 | (unit >> 6), 0x80 | (unit & 0x3f));
    else bytes.push(0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f));
  }
  return Buffer.from(bytes);
}
