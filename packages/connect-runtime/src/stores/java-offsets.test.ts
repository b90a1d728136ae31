import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { testRandom } from '@millrace/testkit';
import { describe, expect, it } from 'vitest';
import { decodeOffsetFile, encodeOffsetFile, type OffsetEntry } from './java-offsets.ts';

const recorded = (name: string): Buffer =>
  readFileSync(
    fileURLToPath(
      new URL(`../../../../testdata/recorded/connect-offset-files/${name}.offsets`, import.meta.url),
    ),
  );
const textOf = (entries: readonly OffsetEntry[]): [string, string | null][] =>
  entries
    .map(([key, value]): [string, string | null] => [
      key.toString(),
      value === null ? null : value.toString(),
    ])
    .sort(([a], [b]) => (a < b ? -1 : 1));
const expected = (count: number): [string, string | null][] =>
  Array.from({ length: count }, (_, i): [string, string | null] => [
    `["file-${i}",{"filename":"/data/in-${i}.txt"}]`,
    i % 5 === 4 ? null : `{"position":${i * 10}}`,
  ]).sort(([a], [b]) => (a < b ? -1 : 1));

describe("offset files of Connect's standalone worker", () => {
  it.each([
    ['none', 0],
    ['two', 2],
    ['twenty', 20],
  ] as const)('are read as Java has written them: %s', (name, count) => {
    expect(textOf(decodeOffsetFile(recorded(name)))).toEqual(expected(count));
  });

  it.each(['none', 'two', 'twenty'])('are written byte by byte as Java writes them: %s', (name) => {
    const bytes = recorded(name);
    expect(encodeOffsetFile(decodeOffsetFile(bytes)).toString('hex')).toBe(bytes.toString('hex'));
  });

  it('are empty where the file is', () => {
    expect(decodeOffsetFile(Buffer.alloc(0))).toEqual([]);
  });

  it('INV-10: are refused with a typed error, or read, in every cut and flipped form', () => {
    const whole = recorded('twenty');
    const code = (bytes: Buffer): string => {
      try {
        decodeOffsetFile(bytes);
        return '';
      } catch (error) {
        return String((error as { code?: string }).code);
      }
    };
    for (let length = 1; length < whole.length; length++) {
      expect(code(whole.subarray(0, length))).toBe('connect.offset_file');
    }
    const random = testRandom('flipped offset files');
    for (let at = 0; at < whole.length; at++) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ (1 + random.int(0, 254));
      expect(['', 'connect.offset_file']).toContain(code(bytes));
    }
    // A length or a size that nothing follows allocates nothing.
    const size = whole.indexOf(Buffer.from('7708', 'hex')) + 6;
    const firstLength = whole.indexOf(Buffer.from('00025b42', 'hex')) + 17;
    for (const at of [size, firstLength]) {
      const bytes = Buffer.from(whole);
      bytes.writeInt32BE(0x7fffffff, at);
      expect(code(bytes)).toBe('connect.offset_file');
    }
  });
});
