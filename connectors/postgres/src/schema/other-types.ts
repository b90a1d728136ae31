// Text, bytes, enumerations, geometry, vectors, hstore, and what nobody knows.
import {
  arraySchema,
  BYTES,
  enumSchema,
  FLOAT64,
  INT16,
  INT32,
  mapSchema,
  optional,
  type Schema,
  STRING,
  semantic,
  structSchema,
} from '@millrace/data';
import { ascii, type ColumnMapping, fromText, type Row, utf8 } from './mapping.ts';
import { byteaOf, geometricText, hstorePairs, postgisOf, vectorOf } from './values.ts';

export const textual =
  (schema: Schema, more: Partial<ColumnMapping> = {}): Row =>
  (_type, modes) => ({
    schema,
    encoding: modes.utf8 ? 'utf8' : 'decode',
    decode: utf8,
    zero: '',
    unavailable: modes.placeholder.toString('utf8'),
    ...more,
  });

export const bytea: Row = (_type, modes) => {
  const { binary, placeholder } = modes;
  if (binary === 'bytes') {
    return {
      schema: BYTES,
      encoding: 'decode',
      decode: byteaOf,
      zero: Buffer.alloc(0),
      unavailable: placeholder,
    };
  }
  if (binary === 'hex') {
    return {
      schema: STRING,
      encoding: 'decode',
      decode: (bytes, start, end) => ascii(bytes, start + 2, end),
      zero: '',
      unavailable: placeholder.toString('utf8'),
    };
  }
  const form = binary === 'base64' ? 'base64' : 'base64url';
  const padded = (text: string): string => text + '='.repeat((4 - (text.length % 4)) % 4);
  return {
    schema: STRING,
    encoding: 'decode',
    decode: (bytes, start, end) => padded(byteaOf(bytes, start, end).toString(form)),
    zero: '',
  };
};

export const enumeration: Row = ({ type }, modes) =>
  textual(enumSchema(type.labels), { unavailable: undefined })({ type, typmod: -1 }, modes);

export const POINT: Schema = structSchema(
  [
    ['x', FLOAT64],
    ['y', FLOAT64],
    ['wkb', optional(BYTES)],
    ['srid', optional(INT32)],
  ],
  { name: 'io.debezium.data.geometry.Point', version: 1, doc: 'Geometry (POINT)' },
);

export const postgis =
  (name: string, doc: string): Row =>
  () => {
    const schema = structSchema(
      [
        ['wkb', BYTES],
        ['srid', optional(INT32)],
      ],
      { name: `io.debezium.data.geometry.${name}`, version: 1, doc },
    );
    return { schema, encoding: 'decode', decode: fromText((text) => postgisOf(schema, text)), zero: null };
  };

export const SPARSE_VECTOR: Schema = structSchema(
  [
    ['dimensions', INT16],
    ['vector', mapSchema(INT16, FLOAT64)],
  ],
  { name: 'io.debezium.data.SparseDoubleVector', version: 1 },
);

export const vector =
  (name: string, element: Schema): Row =>
  () => ({
    schema: arraySchema(element, { name: `io.debezium.data.${name}`, version: 1 }),
    encoding: 'decode',
    decode: fromText(vectorOf),
    zero: [],
  });

export const hstore: Row = (_type, modes) => {
  const mark = modes.placeholder.toString('utf8');
  if (modes.hstore === 'map') {
    return {
      schema: mapSchema(STRING, optional(STRING)),
      encoding: 'decode',
      decode: fromText((text) => new Map(hstorePairs(text))),
      zero: new Map(),
      unavailable: new Map([[mark, mark]]),
    };
  }
  return {
    schema: semantic('io.debezium.data.Json'),
    encoding: 'decode',
    decode: fromText((text) => JSON.stringify(Object.fromEntries(hstorePairs(text)))),
    zero: '',
    unavailable: JSON.stringify({ [mark]: mark }),
  };
};

/** Types that Debezium cannot read come as the bytes of their text, when the config asks for them. */
export const unknown: Row = ({ type }, modes) =>
  modes.includeUnknown
    ? {
        schema: BYTES,
        encoding: 'decode',
        decode: GEOMETRIC.has(type.name)
          ? fromText((text) => Buffer.from(geometricText(text)))
          : (bytes, start, end) => Buffer.from(bytes.subarray(start, end)),
        zero: Buffer.alloc(0),
        unavailable: modes.placeholder,
        requiredElements: true,
      }
    : undefined;
const GEOMETRIC: ReadonlySet<string> = new Set(['box', 'lseg', 'path', 'polygon', 'circle', 'line']);
