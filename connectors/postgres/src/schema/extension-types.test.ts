// Types of extensions that no server of `npm test` has, from their text: PostGIS 3.3.2 as recorded beside Debezium 3.6.2,
// pgvector as its documentation prints them.
import { ArrayStruct, type Schema } from '@millrace/data';
import { describe, expect, test } from 'vitest';
import { type PgType, TypeCatalog } from './catalog.ts';
import type { MappingModes } from './mapping.ts';
import { mapType } from './type-mapping.ts';

const MODES: MappingModes = {
  decimal: 'precise',
  time: 'adaptive',
  binary: 'bytes',
  interval: 'numeric',
  hstore: 'json',
  moneyDigits: 2,
  includeUnknown: false,
  placeholder: Buffer.from('x'),
  utf8: true,
};

const type = (oid: number, name: string, elementOid = 0): PgType => ({
  oid,
  name,
  schema: 'public',
  kind: 'b',
  elementOid,
  baseOid: 0,
  baseTypmod: -1,
  labels: [],
});

/** Schema and value of a column of a type named `name`, or of an array of it. */
function read(name: string, text: string, { array = false } = {}): { schema: Schema; value: unknown } {
  const types = new TypeCatalog().with([type(20001, name), type(20002, `_${name}`, 20001)]);
  const mapping = mapType(types, array ? 20002 : 20001, -1, MODES);
  if (mapping === undefined) throw new Error(`no mapping for ${name}`);
  const bytes = Buffer.from(`-${text}-`);
  return { schema: mapping.schema, value: mapping.decode(bytes, 1, bytes.length - 1) };
}
const fields = (value: unknown): unknown => (value instanceof ArrayStruct ? value.toArray() : value);

const POINT = '0101000000000000000000F03F0000000000000040';
const POINT_4326 = '0101000020E6100000000000000000F03F0000000000000040';

describe('PostGIS', () => {
  test('a geometry is its EWKB and the SRID in it', () => {
    const { schema, value } = read('geometry', POINT);
    expect([schema.name, schema.version, schema.doc]).toEqual([
      'io.debezium.data.geometry.Geometry',
      1,
      'Geometry',
    ]);
    expect(fields(value)).toEqual([Buffer.from(POINT, 'hex'), null]);
    expect(fields(read('geography', POINT_4326).value)).toEqual([Buffer.from(POINT_4326, 'hex'), 4326]);
    // Big-endian, as another writer of EWKB may have it.
    expect(
      fields(read('geometry', '0020000001000010e63ff00000000000004000000000000000').value),
    ).toMatchObject({ 1: 4326 });
  });

  test('colons stand between the elements of an array', () => {
    const { schema, value } = read('geometry', `{${POINT}:NULL:${POINT_4326}}`, { array: true });
    expect(schema.valueSchema?.optional).toBe(true);
    expect((value as unknown[]).map(fields)).toEqual([
      [Buffer.from(POINT, 'hex'), null],
      null,
      [Buffer.from(POINT_4326, 'hex'), 4326],
    ]);
  });

  test('what is no EWKB is no value', () => {
    for (const text of ['', '01', 'POINT(1 2)']) expect(read('geometry', text).value).toBeNull();
  });
});

describe('pgvector', () => {
  test('a vector is an array of doubles, a half-precision one of floats', () => {
    const { schema, value } = read('vector', '[1,-2.5,1e-07]');
    expect([schema.name, schema.version, schema.valueSchema?.type]).toEqual([
      'io.debezium.data.DoubleVector',
      1,
      'float64',
    ]);
    expect(value).toEqual([1, -2.5, 1e-7]);
    const half = read('halfvec', '[0.1,65504]');
    expect([half.schema.name, half.schema.valueSchema?.type]).toEqual([
      'io.debezium.data.FloatVector',
      'float32',
    ]);
    expect(half.value).toEqual([Math.fround(0.1), 65504]);
  });

  test('a sparse vector is its dimensions and its values by index', () => {
    const { schema, value } = read('sparsevec', '{1:1.5,3:2}/5');
    expect([schema.name, schema.doc]).toEqual([
      'io.debezium.data.SparseDoubleVector',
      'Sparse double vector',
    ]);
    expect(fields(value)).toEqual([
      5,
      new Map([
        [1, 1.5],
        [3, 2],
      ]),
    ]);
    expect(fields(read('sparsevec', '{}/5').value)).toEqual([5, new Map()]);
  });

  test('dimensions that 16 bits cannot hold are no value, as nothing else can be said', () => {
    expect(read('sparsevec', '{1:1}/40000').value).toBeNull();
    expect(read('sparsevec', 'x').value).toBeNull();
    expect(read('vector', '1,2').value).toBeNull();
  });
});

test('an array of ltree with a null is no value, as from Debezium', () => {
  expect(read('ltree', '{a.b,"c"}', { array: true }).value).toEqual(['a.b', 'c']);
  expect(read('ltree', '{a.b,NULL}', { array: true }).value).toBeNull();
});
