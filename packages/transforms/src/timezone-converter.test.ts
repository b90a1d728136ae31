import { SourceRecord } from '@millrace/connect-api';
import { ArrayStruct, envelopeSchema, INT64, optional, STRING, Struct, structSchema } from '@millrace/data';
import { expect, test } from 'vitest';
import { TimezoneConverter } from './timezone-converter.ts';

const MICROS = INT64.with({
  optional: true,
  name: 'io.debezium.time.MicroTimestamp',
  version: 1,
  defaultValue: 3_600_000_000,
});
const ZONED = STRING.with({
  optional: true,
  name: 'io.debezium.time.ZonedTimestamp',
  version: 1,
  defaultValue: '2024-01-01T00:00:00.000000Z',
});
const ROW = optional(
  structSchema([
    ['ts', MICROS],
    ['tz', ZONED],
    ['other', STRING.with({ optional: true, defaultValue: 'x' })],
  ]),
);
const SOURCE = structSchema([['table', STRING]]);
const EVENT = envelopeSchema('t.Envelope', ROW, SOURCE);

function converted(settings: Record<string, string>): unknown[] {
  const transform = new TimezoneConverter();
  transform.configure(settings);
  const value = ArrayStruct.of(EVENT, {
    before: null,
    after: new ArrayStruct(ROW, [null, null, null]),
    source: new ArrayStruct(SOURCE, ['t']),
    op: 'c',
    ts_ms: 1,
    ts_us: 1,
    ts_ns: 1,
    transaction: null,
  });
  const record = new SourceRecord({
    sourcePartition: {},
    sourceOffset: {},
    topic: 't',
    keySchema: null,
    key: null,
    valueSchema: EVENT,
    value,
    headers: [],
  });
  const event = transform.apply(record)?.value;
  const after = event instanceof Struct ? event.getRaw('after') : undefined;
  return after instanceof Struct ? after.toArray() : [];
}

test('a null time becomes the converted default of its field, other nulls stay', () => {
  expect(converted({ 'converted.timezone': '+01:00' })).toEqual([0, '2024-01-01T01:00:00+01:00', null]);
});

test('nulls of fields that are not chosen stay', () => {
  expect(converted({ 'converted.timezone': '+01:00', 'include.list': 'source:t:tz' })).toEqual([
    null,
    '2024-01-01T01:00:00+01:00',
    null,
  ]);
});
