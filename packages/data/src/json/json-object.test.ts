import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteWriter } from '../byte-writer.ts';
import { Double } from '../schemaless.ts';
import { JsonObject, readSchemalessJson, toSchemaless } from './json-object.ts';
import { JsonMemory } from './json-shape.ts';
import { JsonSyntaxError, parseJson } from './parse.ts';
import { writeSchemaless } from './writer.ts';

function written(value: unknown): string {
  const out = new ByteWriter(16);
  writeSchemaless(value, out);
  return out.copyFrom().toString();
}

function whole(text: string): unknown {
  return toSchemaless(parseJson(text, { allowTrailing: true }) ?? null);
}

/** Values without what tells a lazy Map from another. */
function plain(value: unknown): unknown {
  if (value instanceof Map) return { map: [...value].map(([name, member]) => [name, plain(member)]) };
  if (Array.isArray(value)) return value.map(plain);
  return value instanceof Double ? { double: value.value } : value;
}

/** A value, or what was wrong with the text. */
function outcome(read: () => unknown): unknown {
  try {
    return plain(read());
  } catch (error) {
    expect(error).toBeInstanceOf(JsonSyntaxError);
    return String(error);
  }
}

const space = fc.constantFrom('', '', '', ' ', '\n\t', '\r ');
const number = fc.oneof(
  fc.integer().map(String),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
  fc.bigInt({ min: 2n ** 63n - 3n, max: 2n ** 63n + 3n }).map(String),
  fc.bigInt({ min: 2n ** 53n - 12n, max: 2n ** 53n + 12n }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
  fc.tuple(fc.integer(), fc.nat({ max: 99_999 })).map(([whole, part]) => `${whole}.${part}`),
  fc.constantFrom(
    '0',
    '-0',
    '0.0',
    '-0.0',
    '1.0',
    '1.10',
    '0.001',
    '0.0009',
    '9999999.5',
    '10000000.0',
    '1e5',
  ),
  fc.constantFrom(
    '1.0E10',
    '-2E-7',
    '123456.7890123456',
    '0.1234567890123456789',
    '1E400',
    '00',
    '01',
    '1.',
    '-',
  ),
);
const character = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }).map((text) => JSON.stringify(text).slice(1, -1)),
  fc.constantFrom(
    '\\/',
    '\\u0041',
    '\\u001F',
    '\\u001f',
    '\\u0008',
    '\\b',
    '\\u000B',
    '\\ud83d\\ude00',
    '\\ud800',
    '\u007f',
  ),
  fc.constantFrom('ä', '漢', '😀', '\u2028', '\\x', '\\u12', '\u0001'),
);
const string = fc.oneof(
  { weight: 6, arbitrary: fc.string({ maxLength: 12 }).map((text) => JSON.stringify(text)) },
  { weight: 1, arbitrary: fc.array(character, { maxLength: 4 }).map((parts) => `"${parts.join('')}"`) },
);
const { document } = fc.letrec<{ value: string; object: string; array: string; document: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('null', 'true', 'false'),
    number,
    string,
    tie('object'),
    tie('array'),
  ),
  object: fc
    .array(fc.tuple(space, string, space, space, tie('value'), space), { maxLength: 6 })
    .map(
      (members) =>
        `{${members.map(([a, name, b, c, value, d]) => `${a}${name}${b}:${c}${value}${d}`).join(',')}}`,
    ),
  array: fc
    .array(fc.tuple(space, tie('value'), space), { maxLength: 4 })
    .map((items) => `[${items.map(([before, item, after]) => before + item + after).join(',')}]`),
  document: fc.tuple(space, tie('object'), space).map((parts) => parts.join('')),
}));

/** What stands in a text instead of one of its characters. */
const damage = fc.constantFrom('', '"', '\\', ',', '}', ']', '1', 'x', ':', ' ');

function damagedAt(text: string, place: number, put: string): string {
  const at = place % (text.length + 1);
  return text.slice(0, at) + put + text.slice(at + 1);
}

describe('schemaless JSON read late', () => {
  test('INV-4: gives the values and the errors of the whole parse', () => {
    fc.assert(
      fc.property(document, (text) => {
        expect(outcome(() => readSchemalessJson(Buffer.from(text)))).toEqual(outcome(() => whole(text)));
      }),
      { numRuns: 1000 },
    );
  });

  test('INV-4, INV-10: damaged text gives the values and the errors of the whole parse', () => {
    fc.assert(
      fc.property(document, fc.nat(), damage, (text, place, put) => {
        const damaged = damagedAt(text, place, put);
        expect(outcome(() => readSchemalessJson(Buffer.from(damaged)))).toEqual(
          outcome(() => whole(damaged)),
        );
      }),
      { numRuns: 1000 },
    );
  });

  test('INV-4: is written as the whole parse is, untouched and after any member was looked at', () => {
    fc.assert(
      fc.property(document, fc.nat(), (text, pick) => {
        let expected: unknown;
        try {
          expected = whole(text);
        } catch {
          return;
        }
        // A name that occurs twice is copied twice; everything else comes out alike.
        fc.pre(!repeatsName(text));
        const untouched = readSchemalessJson(Buffer.from(text));
        expect(written(untouched)).toBe(written(expected));
        const touched = readSchemalessJson(Buffer.from(text)) as Map<string, unknown>;
        const inner = [...touched.values()].filter((value) => value instanceof Map);
        inner[pick % Math.max(1, inner.length)]?.has('');
        expect(written(touched)).toBe(written(expected));
        expect(written(untouched)).toBe(written(expected));
      }),
      { numRuns: 1000 },
    );
  });

  test('behaves as the Map it stands for, whatever is asked for first', () => {
    const text = '{"a":1,"b":{"c":[{"d":1.0}]},"e":"ä"}';
    const fresh = (): Map<string, unknown> => readSchemalessJson(Buffer.from(text)) as Map<string, unknown>;
    expect(fresh()).toBeInstanceOf(Map);
    expect(fresh().size).toBe(3);
    expect(fresh().get('e')).toBe('ä');
    expect(fresh().has('b')).toBe(true);
    expect([...fresh().keys()]).toEqual(['a', 'b', 'e']);
    expect([...fresh().values()][0]).toBe(1);
    expect([...fresh().entries()][2]).toEqual(['e', 'ä']);
    expect([...new Map(fresh())].length).toBe(3);
    const seen: string[] = [];
    fresh().forEach((_value, name) => seen.push(name));
    expect(seen).toEqual(['a', 'b', 'e']);
    expect(written(fresh().set('a', 2))).toBe('{"a":2,"b":{"c":[{"d":1.0}]},"e":"ä"}');
    const without = fresh();
    expect(without.delete('b')).toBe(true);
    expect(written(without)).toBe('{"a":1,"e":"ä"}');
    const emptied = fresh();
    emptied.clear();
    expect(written(emptied)).toBe('{}');
    const changedInside = fresh();
    (changedInside.get('b') as Map<string, unknown>).set('c', null);
    expect(written(changedInside)).toBe('{"a":1,"b":{"c":null},"e":"ä"}');
  });

  test('hands out its bytes while nobody touched it and they are what would be written', () => {
    const object = (text: string): JsonObject => {
      const read = readSchemalessJson(Buffer.from(text));
      if (!(read instanceof JsonObject)) throw new Error(`${text} was not read late`);
      return read;
    };
    expect(object(' {"a":1.5} ').text?.toString()).toBe('{"a":1.5}');
    for (const text of ['{"a": 1}', '{"a":1.50}', '{"a":"\\u0041"}', '{"a":-0}', '{"a":9223372036854775808}'])
      expect(object(text).text).toBeUndefined();
    const asked = object('{"a":1}');
    asked.get('b');
    expect(asked.text).toBeUndefined();
  });

  test('bytes that are no UTF-8 are refused, wherever they are', () => {
    for (const before of ['{"a":"', '{"a":1} ', '{"a":1,"b":'])
      expect(() =>
        readSchemalessJson(Buffer.concat([Buffer.from(before), Buffer.from([0xff, 0x22, 0x7d])])),
      ).toThrow('Bytes are not UTF-8');
  });
});

/** Documents of which most have the same names in the same order with the same white space, as those of a topic. */
const kindred = fc.array(fc.tuple(space, string, space, space, space), { maxLength: 6 }).chain((members) =>
  fc.array(
    fc.oneof(
      { weight: 1, arbitrary: document },
      {
        weight: 6,
        arbitrary: fc
          .tuple(
            ...members.map(() =>
              fc.oneof(fc.constantFrom('"often"', '1', '-2.50', 'null'), number, string, document),
            ),
          )
          .map(
            (values) =>
              `{${members.map(([a, name, b, c, d], i) => `${a}${name}${b}:${c}${values[i]}${d}`).join(',')}}`,
          ),
      },
    ),
    { minLength: 2, maxLength: 8 },
  ),
);

describe('schemaless JSON that resembles what was read before', () => {
  test('INV-4: gives the values and the errors of the whole parse', () => {
    fc.assert(
      fc.property(kindred, (texts) => {
        const memory = new JsonMemory();
        for (const text of texts)
          expect(outcome(() => readSchemalessJson(Buffer.from(text), memory))).toEqual(
            outcome(() => whole(text)),
          );
      }),
      { numRuns: 1000 },
    );
  });

  test('INV-4, INV-10: damaged text gives the values and the errors of the whole parse', () => {
    fc.assert(
      fc.property(kindred, fc.nat(), damage, (texts, place, put) => {
        const memory = new JsonMemory();
        for (const text of texts) {
          outcome(() => readSchemalessJson(Buffer.from(text), memory));
          const damaged = damagedAt(text, place, put);
          expect(outcome(() => readSchemalessJson(Buffer.from(damaged), memory))).toEqual(
            outcome(() => whole(damaged)),
          );
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('INV-4: is written as the whole parse is, untouched, after a look inside and after a change', () => {
    fc.assert(
      fc.property(kindred, fc.nat(), (texts, pick) => {
        const memory = new JsonMemory();
        for (const text of texts) {
          let expected: Map<string, unknown>;
          try {
            expected = whole(text) as Map<string, unknown>;
          } catch {
            continue;
          }
          if (repeatsName(text)) continue;
          const read = (): Map<string, unknown> =>
            readSchemalessJson(Buffer.from(text), memory) as Map<string, unknown>;
          expect(written(read())).toBe(written(expected));
          const touched = read();
          const inner = [...touched.values()].filter((value) => value instanceof Map);
          inner[pick % Math.max(1, inner.length)]?.has('');
          expect(written(touched)).toBe(written(expected));
          const changed = read();
          const name = [...expected.keys()][pick % Math.max(1, expected.size)] ?? 'new';
          expect(written(changed.set(name, pick))).toBe(written(expected.set(name, pick)));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('behaves as the Map it stands for, whatever is asked for first', () => {
    const memory = new JsonMemory();
    const bytes = Buffer.from('{"a":1,"b":{"c":[{"d":1.0}]},"e":"text"}');
    const fresh = (): Map<string, unknown> => readSchemalessJson(bytes, memory) as Map<string, unknown>;
    for (let i = 0; i < 4; i++) expect(fresh().get('e')).toBe('text');
    expect(fresh().size).toBe(3);
    expect(fresh().get('none')).toBeUndefined();
    expect(fresh().has('b')).toBe(true);
    expect(fresh().has('none')).toBe(false);
    expect([...fresh().keys()]).toEqual(['a', 'b', 'e']);
    expect([...fresh().values()][0]).toBe(1);
    expect([...fresh()][2]).toEqual(['e', 'text']);
    expect(new Map(fresh()).get('a')).toBe(1);
    const seen: unknown[] = [];
    fresh().forEach((value, name, map) => seen.push(name, map.get(name) === value));
    expect(seen).toEqual(['a', true, 'b', true, 'e', true]);
    expect(written(fresh().set('a', 2))).toBe('{"a":2,"b":{"c":[{"d":1.0}]},"e":"text"}');
    const without = fresh();
    expect(without.delete('b')).toBe(true);
    expect(written(without)).toBe('{"a":1,"e":"text"}');
    const emptied = fresh();
    emptied.clear();
    expect(written(emptied)).toBe('{}');
    expect(emptied.size).toBe(0);
    const changedInside = fresh();
    (changedInside.get('b') as Map<string, unknown>).set('c', null);
    expect(written(changedInside)).toBe('{"a":1,"b":{"c":null},"e":"text"}');
    expect(fresh().get('b')).not.toBe(fresh().get('b'));
  });

  test('bytes that are no UTF-8 are refused, also where a document before had the same', () => {
    const memory = new JsonMemory();
    const bad = Buffer.concat([Buffer.from('{"a'), Buffer.from([0xff]), Buffer.from('":1}')]);
    for (let i = 0; i < 3; i++) expect(() => readSchemalessJson(bad, memory)).toThrow('Bytes are not UTF-8');
    const inText = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    readSchemalessJson(Buffer.from('{"a":"b"}'), memory);
    for (let i = 0; i < 3; i++)
      expect(() => readSchemalessJson(inText, memory)).toThrow('Bytes are not UTF-8');
  });

  test('remembers a bounded number of members', () => {
    const memory = new JsonMemory();
    const inner = (i: number): string =>
      `{${Array.from({ length: 300 }, (_, k) => `"m${i}-${k}":${k}`).join(',')}}`;
    const bytes = Buffer.from(`{${Array.from({ length: 30 }, (_, i) => `"o${i}":${inner(i)}`).join(',')}}`);
    for (let i = 0; i < 100; i++) {
      const object = readSchemalessJson(bytes, memory) as Map<string, Map<string, unknown>>;
      expect(object.get('o29')?.get('m29-299')).toBe(299);
    }
    expect(memory.root.shape?.size).toBe(30 + 13 * 300);
    // What was learnt makes room for what comes instead.
    for (let i = 0; i < 4; i++) readSchemalessJson(Buffer.from(inner(30)), memory);
    expect(memory.root.shape?.size).toBe(300);
    const wide = Buffer.from(`{${Array.from({ length: 5000 }, (_, i) => `"w${i}":${i}`).join(',')}}`);
    const other = new JsonMemory();
    for (let i = 0; i < 3; i++)
      expect((readSchemalessJson(wide, other) as Map<string, unknown>).size).toBe(5000);
    expect(other.root.shape).toBeUndefined();
  });
});

/** Whether there are more members in the text than in its value. */
function repeatsName(text: string): boolean {
  const size = (value: unknown): number => {
    if (value instanceof Map)
      return [...value.values()].reduce<number>((sum, each) => sum + size(each), value.size);
    return Array.isArray(value) ? value.reduce<number>((sum, each) => sum + size(each), 0) : 0;
  };
  const outsideStrings = text.replaceAll(/"(?:[^"\\]|\\.)*"/gs, '');
  return (outsideStrings.match(/:/g) ?? []).length !== size(whole(text));
}
