import {
  ArrayStruct,
  arraySchema,
  BOOLEAN,
  ByteWriter,
  decimalSchema,
  FLOAT64,
  INT32,
  INT64,
  optional,
  primitive,
  STRING,
  structSchema,
} from '@millrace/data';
import { MillraceError } from '@millrace/foundation';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JsonConverter } from './json-converter.ts';

const ROW = structSchema(
  [
    ['id', INT64],
    ['name', optional(STRING)],
    ['state', primitive('string', { defaultValue: 'new', optional: true })],
    ['count', optional(INT32)],
    ['price', optional(decimalSchema(2))],
    ['rate', optional(FLOAT64)],
    ['tags', optional(arraySchema(STRING))],
    ['ok', BOOLEAN],
  ],
  { name: 'row', optional: true },
);
const EVENT = structSchema([
  ['before', ROW],
  ['after', ROW],
  ['empty', optional(structSchema([]))],
  ['op', STRING],
]);

function converter(): JsonConverter {
  const made = new JsonConverter();
  made.configure({ 'schemas.enable': 'true' });
  return made;
}

/** `{"schema":…,"payload":` as a converter writes it. */
const PREFIX = (() => {
  const out = new ByteWriter();
  const first = new ArrayStruct(EVENT, [null, null, null, 'c']);
  converter().write('t', [], EVENT, first, out);
  const text = out.copyFrom().toString();
  return text.slice(0, text.indexOf('"payload":') + '"payload":'.length);
})();
const FIRST = Buffer.from(`${PREFIX}{"before":null,"after":null,"empty":null,"op":"c"}}`);

function outcome(reader: JsonConverter, bytes: Buffer): unknown {
  try {
    const { schema, value } = reader.read('t', [], bytes);
    return { schema, value };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    // Where in the text a mistake is, both count in their own way.
    const cause = error.cause instanceof Error ? error.cause.message.replace(/ at position \d+$/, '') : '';
    return { code: error.code, message: error.message, cause };
  }
}

const text = fc.oneof(
  fc.constantFrom('""', '"same"', '"a\\"b"', '"ü😀"', '"\\u0041"', '"same'),
  fc.string({ maxLength: 8 }).map((value) => JSON.stringify(value)),
);
const scalar = fc.oneof(
  { weight: 4, arbitrary: text },
  fc.constantFrom(
    'null',
    'true',
    'false',
    '0',
    '-1',
    '12',
    '1.0',
    '2.50',
    '1e3',
    '9007199254740993',
    '-0',
    '01',
  ),
  fc.constantFrom('99999999999999999999', '"AN4="', '"no base64"', '[]', '["a","b"]', '{}', '[1', 'nul'),
);
const well = {
  id: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  name: fc.oneof(text, fc.constant('null')),
  state: fc.oneof(text, fc.constant('null')),
  count: fc.oneof(fc.integer().map(String), fc.constant('null')),
  price: fc.constantFrom('"AN4="', '""', 'null'),
  rate: fc.constantFrom('1.5', '3', 'null'),
  tags: fc.constantFrom('null', '[]', '["x"]'),
  ok: fc.constantFrom('true', 'false'),
};
const space = fc.constantFrom('', '', '', '', '', '', '', ' ');

/** An object with these members: mostly in order and complete, sometimes not. */
function object(members: Readonly<Record<string, fc.Arbitrary<string>>>): fc.Arbitrary<string> {
  const names = Object.keys(members);
  const complete = fc
    .tuple(...names.map((name) => members[name] ?? scalar))
    .map((values) => names.map((name, i) => `"${name}":${values[i]}`));
  const any = fc
    .array(fc.tuple(fc.constantFrom(...names, 'other'), scalar, space), { maxLength: names.length + 1 })
    .map((list) => list.map(([name, value, gap]) => `"${name}":${gap}${value}`));
  const moved = fc
    .tuple(complete, fc.nat(), fc.nat())
    .map(([list, from, to]) => list.toSpliced(to % list.length, 0, list[from % list.length] ?? ''));
  return fc.oneof(
    { weight: 6, arbitrary: complete.map((list) => `{${list.join(',')}}`) },
    { weight: 1, arbitrary: any.map((list) => `{${list.join(',')}}`) },
    { weight: 1, arbitrary: moved.map((list) => `{${list.join(',')}}`) },
  );
}
const row = fc.oneof({ weight: 5, arbitrary: object(well) }, fc.constant('null'), scalar);
const event = object({
  before: row,
  after: row,
  empty: fc.constantFrom('null', '{}', '{"x":1}'),
  op: fc.oneof(text, scalar),
});

describe('a struct in the order of its schema', () => {
  test('INV-4: reads like any other JSON, in value and error', () => {
    const primed = converter();
    primed.read('t', [], FIRST);
    fc.assert(
      fc.property(fc.oneof({ weight: 10, arbitrary: event }, scalar), space, (payload, gap) => {
        const bytes = Buffer.from(`${PREFIX}${payload}${gap}}`);
        // A converter that has seen nothing yet reads the whole as one document.
        expect(outcome(primed, bytes)).toEqual(outcome(converter(), bytes));
        expect(outcome(primed, FIRST)).toEqual(outcome(converter(), FIRST));
      }),
      { numRuns: 500 },
    );
  });

  test('gives the whole struct, texts that repeat and texts that change', () => {
    const primed = converter();
    primed.read('t', [], FIRST);
    const read = (name: string): unknown => {
      const after = `{"id":1,"name":${name},"state":"new","count":null,"price":null,"rate":1.5,"tags":["x"],"ok":true}`;
      const bytes = Buffer.from(`${PREFIX}{"before":null,"after":${after},"empty":null,"op":"u"}}`);
      return (primed.read('t', [], bytes).value as ArrayStruct).get('after');
    };
    const expected = (name: string): ArrayStruct =>
      new ArrayStruct(ROW, [1, name, 'new', null, null, 1.5, ['x'], true]);
    for (const name of ['same', 'same', 'sam', 'same!', '', 'ü', 'ü', 'a"b', 'a"b', 'same'])
      expect(read(JSON.stringify(name))).toEqual(expected(name));
  });
});
