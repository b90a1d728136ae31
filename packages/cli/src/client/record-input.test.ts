import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { readLines, readWhole } from './lines.ts';
import { type LineOptions, parseJsonRecord, parseLine } from './record-input.ts';

const NONE: LineOptions = {
  key: undefined,
  keySeparator: undefined,
  parseHeaders: false,
  headers: [],
  partition: undefined,
  nullMarker: undefined,
};
const never = new AbortController().signal;

async function linesOf(chunks: readonly string[], maxBytes: number = 100): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of readLines(Readable.from(chunks.map((text) => Buffer.from(text))), maxBytes, never))
    lines.push(line.toString());
  return lines;
}

test('Lines may end with either end or none, and lie over any chunks', async () => {
  expect(await linesOf(['a\nb\r', '\n', '\nlong', 'er', ' line'])).toEqual(['a', 'b', '', 'longer line']);
  expect(await linesOf([])).toEqual([]);
});

test('A line over the bound is refused before it is whole', async () => {
  await expect(linesOf(['x\n', 'y'.repeat(60), 'y'.repeat(60)])).rejects.toThrow('Line 2 is too long');
  await expect(readWhole(Readable.from([Buffer.alloc(101)]), 100, never)).rejects.toThrow(
    'too large for one record',
  );
});

test('A line has headers, key and value where it is told', () => {
  const options = {
    ...NONE,
    parseHeaders: true,
    keySeparator: Buffer.from('::'),
    nullMarker: Buffer.from('NULL'),
    headers: [{ key: 'all', value: Buffer.from('1') }],
  };
  expect(parseLine(Buffer.from('h:a:b,i:\tk::NULL'), options, 1)).toEqual({
    key: Buffer.from('k'),
    value: null,
    headers: [
      { key: 'all', value: Buffer.from('1') },
      { key: 'h', value: Buffer.from('a:b') },
      { key: 'i', value: Buffer.from('') },
    ],
    partition: undefined,
  });
  expect(parseLine(Buffer.from('plain'), NONE, 1)).toMatchObject({ key: null, value: Buffer.from('plain') });
});

test('A line that lacks what it must have is named', () => {
  expect(() => parseLine(Buffer.from('x'), { ...NONE, keySeparator: Buffer.from(':') }, 3)).toThrow(
    'Line 3 has no key',
  );
  expect(() => parseLine(Buffer.from('x\ty'), { ...NONE, parseHeaders: true }, 4)).toThrow(
    'Line 4 has a header without a name',
  );
});

test('JSON that is no record is refused; a value that is JSON is kept as its text', () => {
  for (const text of ['{', '[]', '{"headers":1}', '{"headers":[1]}', '{"partition":-1}', '{"keyBase64":"%"}'])
    expect(() => parseJsonRecord(Buffer.from(text), NONE, 5)).toThrow('Line 5 is no record');
  expect(parseJsonRecord(Buffer.from('{"value":{"a":[1]}}'), NONE, 1)).toMatchObject({
    key: null,
    value: Buffer.from('{"a":[1]}'),
  });
});
