// Columns whose values are hidden or cut on their way: column.mask.with.N.chars, column.mask.hash[.v2].ALG.with.salt.S,
// column.truncate.to.N.chars, whose number, algorithm and salt are part of the key; and those whose source type is shown:
// column.propagate.source.type, datatype.propagate.source.type. The value lists columns.
import { createHash, getHashes } from 'node:crypto';
import { MillraceError, type RawConfig } from '@millrace/foundation';
import { matchesAny } from './name-filter.ts';

/** What is done to a column. */
export type ColumnChange =
  | { readonly kind: 'truncate'; readonly length: number }
  | { readonly kind: 'mask'; readonly text: string }
  | { readonly kind: 'propagate' }
  | { readonly kind: 'hash'; readonly hash: (text: string) => string };

/**
 * The change for a column named `schema.table.column`, if one is asked for; `dataType` is its type as
 * `schema.table.type`.
 */
export type ColumnChanges = (column: string, dataType: string) => ColumnChange | undefined;

const TRUNCATE = /^column\.truncate\.to\.(\d+)\.chars$/;
const MASK = /^column\.mask\.with\.(\d+)\.chars$/;
const HASH = /^column\.mask\.hash\.([^.]+)\.with\.salt\.(.+)$/;
const HASH_V2 = /^column\.mask\.hash\.v2\.([^.]+)\.with\.salt\.(.+)$/;

/** Whether a config key is one of these, whose names no definition can list. */
export function isColumnChangeKey(key: string): boolean {
  return [MASK, TRUNCATE, HASH, HASH_V2].some((form) => form.test(key));
}

/**
 * One change a column: of several that name it the first counts, in the order in which Debezium looks for them, whatever
 * the order in the config.
 *
 * @throws config.regex_invalid, config.invalid for a hash that this Node does not have
 */
export function columnChanges(config: RawConfig): ColumnChanges {
  const rules: ((column: string, dataType: string) => ColumnChange | undefined)[] = [];
  const byName = (list: string | null | undefined, change: ColumnChange): void => {
    const matches = matchesAny(list);
    rules.push((column) => (matches(column) ? change : undefined));
  };
  const each = (
    form: RegExp,
    use: (groups: readonly string[], list: string | null | undefined, key: string) => void,
  ): void => {
    for (const [key, list] of Object.entries(config)) {
      const found = form.exec(key);
      if (found) use(found, list, key);
    }
  };
  each(TRUNCATE, ([, length], list) => byName(list, { kind: 'truncate', length: Number(length) }));
  each(MASK, ([, length], list) => byName(list, { kind: 'mask', text: '*'.repeat(Number(length)) }));
  byName(config['column.propagate.source.type'], { kind: 'propagate' });
  const types = matchesAny(config['datatype.propagate.source.type']);
  rules.push((_column, dataType) => (types(dataType) ? { kind: 'propagate' } : undefined));
  each(HASH, ([, algorithm = '', salt = ''], list, key) =>
    byName(list, hashing(key, algorithm, salt, javaSerialized)),
  );
  each(HASH_V2, ([, algorithm = '', salt = ''], list, key) =>
    byName(
      list,
      hashing(key, algorithm, salt, (text) => Buffer.from(text)),
    ),
  );
  return (column, dataType) => {
    for (const rule of rules) {
      const change = rule(column, dataType);
      if (change !== undefined) return change;
    }
    return undefined;
  };
}

function hashing(
  key: string,
  algorithm: string,
  salt: string,
  bytesOf: (text: string) => Buffer,
): ColumnChange {
  // Java's names have a hyphen where OpenSSL's have none: SHA-256, but also SHA-512/256 and SHA3-256.
  const name = algorithm.toLowerCase().replace(/^sha-/, 'sha').replace('/', '-');
  if (!getHashes().includes(name)) {
    throw new MillraceError(
      'config.invalid',
      `Invalid value in the name of ${key}: there is no hash ${algorithm}`,
      {
        cause: new MillraceError('config.invalid', `${algorithm} MessageDigest not available`, {
          javaClass: 'java.security.NoSuchAlgorithmException',
        }),
        configKey: key,
        hint: 'Use MD5, SHA-1, SHA-256, SHA-384 or SHA-512.',
      },
    );
  }
  return {
    kind: 'hash',
    hash: (text) => createHash(name).update(salt).update(bytesOf(text)).digest('hex'),
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
