import { SourceRecord, type Transformation } from '@millrace/connect-api';
import {
  ArrayStruct,
  arraySchema,
  envelopeSchema,
  INT32,
  optional,
  STRING,
  type Struct,
  structSchema,
} from '@millrace/data';
import { expect, test } from 'vitest';
import { Cast } from './cast.ts';
import { ExtractNewRecordState } from './extract-new-record-state.ts';
import { FieldNameTransformation } from './field-name-transformation.ts';
import { Flatten } from './flatten.ts';
import { TimestampConverter } from './timestamp-converter.ts';
import { VectorToJsonConverter } from './vector-to-json-converter.ts';

const KEY = structSchema([
  ['id', INT32],
  ['a', optional(STRING)],
]);
const ROW = optional(
  structSchema([
    ['id', INT32],
    ['a', optional(STRING)],
    ['b', STRING.with({ optional: true, defaultValue: 'x' })],
  ]),
);
const SOURCE = structSchema([['table', STRING]]);
const EVENT = envelopeSchema('t.Envelope', ROW, SOURCE);

const row = new ArrayStruct(ROW, [1, 'a', null]);
const event = (op: 'c' | 'd', fields: readonly string[] | undefined): SourceRecord =>
  new SourceRecord({
    sourcePartition: {},
    sourceOffset: {},
    topic: 't',
    keySchema: KEY,
    key: new ArrayStruct(KEY, [1, 'a']),
    valueSchema: EVENT,
    value: ArrayStruct.of(EVENT, {
      before: op === 'd' ? row : null,
      after: op === 'c' ? row : null,
      source: new ArrayStruct(SOURCE, ['t']),
      op,
      ts_ms: 1,
      ts_us: 1,
      ts_ns: 1,
      transaction: null,
    }),
    headers:
      fields === undefined
        ? []
        : [
            { key: 'drop', schema: arraySchema(STRING), value: fields },
            { key: 'drop', schema: arraySchema(STRING), value: ['id'] },
          ],
  });

const plain = (struct: unknown): unknown =>
  struct === null
    ? null
    : Object.fromEntries(
        (struct as Struct).schema.fields.map(({ name, index }) => [name, (struct as Struct).at(index)]),
      );

function unwrapped(
  settings: Record<string, string>,
  record: SourceRecord,
): { key: unknown; value: unknown; topic: string } {
  const transform = new ExtractNewRecordState();
  transform.configure({ 'drop.fields.header.name': 'drop', ...settings });
  const made = transform.apply(record);
  return { key: plain(made?.key ?? null), value: plain(made?.value ?? null), topic: made?.topic ?? '' };
}

test('dropping a field gives others their defaults, whatever becomes of null elsewhere; the first header counts', () => {
  const settings = { 'replace.null.with.default': 'false' };
  expect(unwrapped(settings, event('c', ['a'])).value).toEqual({ id: 1, b: 'x' });
  // A required field stays, and nothing is made anew.
  expect(unwrapped(settings, event('c', ['id'])).value).toEqual({ id: 1, a: 'a', b: null });
  expect(
    unwrapped({ ...settings, 'drop.fields.keep.schema.compatible': 'false' }, event('c', ['id'])).value,
  ).toEqual({ a: 'a', b: 'x' });
});

test('fields that were added are dropped from a row, and not from a delete', () => {
  const settings = { 'add.fields': 'op', 'delete.tombstone.handling.mode': 'rewrite' };
  const names = ['a', '__op', '__deleted'];
  expect(unwrapped(settings, event('c', names)).value).toEqual({ id: 1, b: 'x' });
  expect(unwrapped(settings, event('d', names)).value).toEqual({ id: 1, b: 'x', __op: 'd' });
});

test('the key of a delete loses the fields that other keys lose', () => {
  const settings = { 'drop.fields.from.key': 'true' };
  expect(unwrapped(settings, event('c', ['a'])).key).toEqual({ id: 1 });
  expect(unwrapped(settings, event('d', ['a']))).toEqual({ key: { id: 1 }, value: null, topic: 't' });
});

test('a blank value names no topic', () => {
  const record = event('c', undefined);
  const route = (field: string): string => unwrapped({ 'route.by.field': field }, record).topic;
  expect([route('a'), route('b')]).toEqual(['a', 't']);
});

test('what is made of a row after it is unwrapped is required as the row is', () => {
  const unwrap = new ExtractNewRecordState();
  unwrap.configure({});
  const unwrapped = unwrap.apply(event('c', undefined));
  const after = (stage: Transformation, settings: Record<string, string>): unknown => {
    stage.configure(settings);
    const schema = unwrapped && stage.apply(unwrapped)?.valueSchema;
    return [schema?.optional, schema?.fields[0]?.schema.optional];
  };
  const kept = [false, false];
  expect(after(new Flatten('Value'), {})).toEqual(kept);
  expect(after(new Cast('Value'), { spec: 'id:string' })).toEqual(kept);
  expect(after(new TimestampConverter('Value'), { field: 'none', 'target.type': 'unix' })).toEqual(kept);
  expect(after(new FieldNameTransformation(), {})).toEqual(kept);
  expect(after(new VectorToJsonConverter(), {})).toEqual(kept);
});
