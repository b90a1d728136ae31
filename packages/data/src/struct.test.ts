import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteWriter } from './byte-writer.ts';
import { JsonWriters } from './json/writer.ts';
import { BigDecimal, decimalSchema } from './logical-types.ts';
import { BOOLEAN, INT32, optional, STRING, structSchema } from './schema.ts';
import {
  ArrayStruct,
  RAW_NULL,
  RAW_UNAVAILABLE,
  RawRow,
  type RowLayout,
  StructTemplate,
  TemplateStruct,
  VARYING,
  VaryingText,
} from './struct.ts';

const SCHEMA = structSchema([
  ['id', INT32],
  ['name', optional(STRING)],
  ['ok', BOOLEAN],
  ['price', optional(decimalSchema(2))],
  ['note', optional(STRING)],
  ['code', optional(STRING)],
]);
const text = (bytes: Buffer, start: number, end: number): string => bytes.toString('utf8', start, end);
const LAYOUT: RowLayout = {
  schema: SCHEMA,
  fields: [
    {
      column: 0,
      encoding: 'json-number',
      decode: (b, s, e) => Number(text(b, s, e)),
      nullValue: 0,
      unavailableValue: 0,
    },
    { column: 1, encoding: 'utf8', decode: text, nullValue: null, unavailableValue: 'unavailable' },
    {
      column: 2,
      encoding: 'true-false',
      decode: (b, s) => b[s] === 0x74,
      nullValue: false,
      unavailableValue: false,
    },
    {
      column: 3,
      encoding: 'decimal',
      decode: (b, s, e) => BigDecimal.parse(text(b, s, e))?.withScale(2) ?? null,
      nullValue: null,
      unavailableValue: null,
    },
    {
      column: 4,
      encoding: 'decode',
      decode: (b, s, e) => text(b, s, e).toUpperCase(),
      nullValue: null,
      unavailableValue: 'unavailable',
    },
    {
      column: 5,
      encoding: 'text',
      decode: (b, s, e) => `<${text(b, s, e)}>`,
      // Prints short codes itself and leaves longer ones to `decode`.
      print: (source, start, end, target, at) => {
        if (end - start > 3) return -1;
        target[at] = 0x3c;
        source.copy(target, at + 1, start, end);
        target[at + 1 + end - start] = 0x3e;
        return at + 2 + end - start;
      },
      nullValue: null,
      unavailableValue: null,
    },
  ],
};

/** A raw row of column texts; null and undefined stand for NULL and not sent. */
function rawRow(columns: readonly (string | null | undefined)[]): RawRow {
  const index = new Int32Array(2 * columns.length);
  let bytes = Buffer.alloc(0);
  columns.forEach((column, i) => {
    index[2 * i] = bytes.length;
    if (typeof column === 'string') {
      bytes = Buffer.concat([bytes, Buffer.from(column)]);
      index[2 * i + 1] = Buffer.byteLength(column);
    } else index[2 * i + 1] = column === null ? RAW_NULL : RAW_UNAVAILABLE;
  });
  return new RawRow(LAYOUT, bytes, index, 0);
}

function json(value: unknown, schema = SCHEMA): string {
  const out = new ByteWriter(1);
  new JsonWriters({ decimalFormat: 'BASE64', replaceNullWithDefault: true }).of(schema)(value, out);
  return out.copyFrom().toString('utf8');
}

test('INV-8: a raw row is written as its decoded values are', () => {
  const rows = [
    ['1', 'a "quoted" \n name', 't', '12.5', 'note', 'abc'],
    ['-2147483648', null, 'f', '-0.01', null, 'abcd'],
    [null, undefined, null, '123456789012345678.99', undefined, null],
    ['7', 'Ünïcode 😀', 't', null, '', ''],
  ];
  for (const columns of rows) {
    const raw = rawRow(columns);
    const decoded = new ArrayStruct(SCHEMA, raw.toArray());
    expect(json(raw)).toBe(json(decoded));
    expect(decoded.equals(raw)).toBe(true);
  }
});

test('INV-8: raw text of any length and alignment is written as its value is', () => {
  const character = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('a', 'b', 'c', 'd', 'x', ' ') },
    fc.constantFrom('"', '\\', '\n', '\u0000', '\u001f', '\u007f', 'é', '漢', '😀'),
  );
  const texts = fc.string({ unit: character, maxLength: 150 });
  fc.assert(
    fc.property(
      texts,
      texts,
      fc.string({ unit: fc.constantFrom('A', 'b', 'C'), maxLength: 6 }),
      (name, note, code) => {
        const raw = rawRow(['1', name, 't', '1.00', note, code]);
        expect(json(raw)).toBe(json(new ArrayStruct(SCHEMA, raw.toArray())));
        expect(JSON.parse(json(raw))).toMatchObject({ name, code: `<${code}>` });
      },
    ),
  );
});

test.each([25_123_456_789, 9007199254740993n])(
  'INV-8: a text that varies in an integer is that text, read or written: %s',
  (integer) => {
    const name = new VaryingText('["7\\","', '"]');
    const template = new StructTemplate(SCHEMA, [1, name, true, null, VARYING, null]);
    const struct = new TemplateStruct(template, [integer, 'n']);
    const expected = `["7\\","${integer}"]`;
    expect(struct.get('name')).toBe(expected);
    const writers = new JsonWriters({ decimalFormat: 'BASE64', replaceNullWithDefault: true });
    const texts = ['first', 'second', 'prepared'].map(() => {
      const out = new ByteWriter(1);
      writers.of(SCHEMA)(struct, out);
      return out.copyFrom().toString('utf8');
    });
    expect(new Set(texts).size).toBe(1);
    expect(JSON.parse(texts[2] ?? '')).toMatchObject({ id: 1, name: expected, note: 'n' });
  },
);

test('a template struct is written alike the first time and from prepared bytes', () => {
  const template = new StructTemplate(SCHEMA, [1, VARYING, true, null, VARYING, null]);
  const writers = new JsonWriters({ decimalFormat: 'BASE64', replaceNullWithDefault: true });
  const texts = ['a', 'b', 'c'].map((name) => {
    const out = new ByteWriter(1);
    writers.of(SCHEMA)(new TemplateStruct(template, [name, null]), out);
    return out.copyFrom().toString('utf8');
  });
  expect(texts).toEqual(
    ['a', 'b', 'c'].map((name) => json(ArrayStruct.of(SCHEMA, { id: 1, name, ok: true }))),
  );
});

test('INV-8: structs of templates within structs of templates are written as their values are, in any order', () => {
  const outer = structSchema([
    ['before', optional(SCHEMA)],
    ['after', optional(SCHEMA)],
    ['source', optional(SCHEMA)],
    ['op', STRING],
  ]);
  const inner = [
    new StructTemplate(SCHEMA, [1, new VaryingText('at ', ' of "7"'), true, null, VARYING, 'c']),
    new StructTemplate(SCHEMA, [2, VARYING, false, null, null, VARYING]),
    new StructTemplate(SCHEMA, [3, 'constant', true, null, null, null]),
  ];
  const row = fc.constantFrom(null, rawRow(['1', 'a', 't', '1.00', 'n', 'abc']));
  const source = fc.oneof(
    fc.constant(null),
    fc.nat().map((at) => new TemplateStruct(inner[0] as StructTemplate, [at, at % 2 === 0 ? 'even' : null])),
    fc.string().map((name) => new TemplateStruct(inner[1] as StructTemplate, [name, 'code'])),
    fc.constant(new TemplateStruct(inner[2] as StructTemplate, [])),
    fc.constant(ArrayStruct.of(SCHEMA, { id: 4, ok: true })),
  );
  const run = fc.record({
    before: row,
    after: row,
    source,
    op: fc.nat({ max: 1 }),
    length: fc.nat({ max: 9 }),
  });
  fc.assert(
    fc.property(fc.array(run, { maxLength: 12 }), (runs) => {
      const writers = new JsonWriters({ decimalFormat: 'BASE64', replaceNullWithDefault: true });
      const templates = ['c', 'u'].map((op) => new StructTemplate(outer, [VARYING, VARYING, VARYING, op]));
      for (const { before, after, source: of, op, length } of runs) {
        const struct = new TemplateStruct(templates[op] as StructTemplate, [before, after, of]);
        const expected = json(new ArrayStruct(outer, [before, after, of, op === 0 ? 'c' : 'u']), outer);
        for (let i = 0; i <= length; i++) {
          const out = new ByteWriter(1);
          writers.of(outer)(struct, out);
          expect(out.copyFrom().toString('utf8')).toBe(expected);
        }
      }
    }),
  );
});

test('INV-4: a value that does not fit its schema is an error, not another value', () => {
  expect(() => json(new ArrayStruct(SCHEMA, ['x', null, true, null, null, null]))).toThrow(
    'Invalid type for INT32: class java.lang.String',
  );
  expect(() => json(new ArrayStruct(SCHEMA, [null, null, true, null, null, null]))).toThrow(
    'null value for field that is required',
  );
});
