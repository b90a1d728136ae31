import type { KafkaRecord } from '@millrace/kafka-protocol';
import { describe, expect, test } from 'vitest';
import { recordFormatter } from './record-format.ts';
import { parseJsonRecord } from './record-input.ts';

const OPTIONS = { nullMarker: 'null' };

function record(parts: Partial<KafkaRecord>): KafkaRecord {
  return { offset: 7, timestamp: 1000, key: null, value: null, headers: [], ...parts } as KafkaRecord;
}
function print(format: string, parts: Partial<KafkaRecord>, options = {}): string {
  const formatter = recordFormatter(format, { ...OPTIONS, ...options });
  return formatter({ topic: 't', partition: 3, record: record(parts) }).toString('latin1');
}

const full = {
  key: Buffer.from('k'),
  value: Buffer.from('v'),
  headers: [
    { key: 'a', value: Buffer.from('1') },
    { key: 'a', value: null },
  ],
};

describe('text', () => {
  test('A line is the value; headers and key come before it when asked for', () => {
    expect(print('text', full)).toBe('v\n');
    expect(print('text', full, { keys: true, headers: true })).toBe('a:1,a:null\tk\tv\n');
  });
  test('A null looks as it is told to', () => {
    expect(print('text', {}, { keys: true, nullMarker: 'NULL' })).toBe('NULL\tNULL\n');
  });
});

test('raw is the value without anything around it, and a null is nothing', () => {
  expect(print('raw', { value: Buffer.from([0xff, 0x0a]) })).toBe('\xff\n');
  expect(print('raw', {})).toBe('');
});

test("A template has kcat's tokens and escapes; bytes come as they are", () => {
  expect(print('%t %p %o %T [%k] %K %S %h %%\\t%s\\x21\\n', { ...full, value: Buffer.from([0xff]) })).toBe(
    't 3 7 1000 [k] 1 1 a=1,a=null %\t\xff!\n',
  );
  expect(print('%k|%v|%K|%V', {})).toBe('null|null|-1|-1');
});

test('A format that is none is refused with what there is', () => {
  expect(() => recordFormatter('yaml', OPTIONS)).toThrow('There is no format yaml');
  expect(() => recordFormatter('%q', OPTIONS)).toThrow('The format has %q');
  expect(() => recordFormatter('100%', OPTIONS)).toThrow('The format has %');
});

test('json is read back as the record it was, bytes that are no text too', () => {
  const records = [
    full,
    { key: Buffer.from([0xfe]), value: Buffer.from([0xff, 0]) },
    {},
    { value: Buffer.alloc(0) },
  ];
  const none = {
    key: undefined,
    keySeparator: undefined,
    parseHeaders: false,
    headers: [],
    partition: undefined,
    nullMarker: undefined,
  };
  for (const parts of records) {
    const line = Buffer.from(print('json', parts), 'latin1');
    expect(parseJsonRecord(line, none, 1)).toEqual({
      key: parts.key ?? null,
      value: parts.value ?? null,
      headers: 'headers' in parts ? parts.headers : [],
      partition: 3,
      timestamp: 1000,
    });
  }
});
