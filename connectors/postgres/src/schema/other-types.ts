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
import { type ColumnMapping, fromText, type MappingModes, type Row, utf8 } from './mapping.ts';
import { byteaOf, geometricText, hstoreJson, hstoreMap, postgisOf, vectorOf } from './values.ts';

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

const TEXT_FORMS = { hex: 'hex', base64: 'base64', 'base64-url-safe': 'base64url' } as const;

/** Bytes as `binary.handling.mode` has them, and their schema. */
export const binaryForm = (
  mode: MappingModes['binary'],
): { readonly schema: Schema; readonly encode: (bytes: Buffer) => Buffer | string } =>
  mode === 'bytes'
    ? { schema: BYTES, encode: (bytes) => bytes }
    : { schema: STRING, encode: (bytes) => padded(bytes.toString(TEXT_FORMS[mode]), mode) };

/** Bytes of a column: `read` gives them from its text. */
function binary(
  read: (bytes: Buffer, start: number, end: number) => Buffer,
  modes: MappingModes,
): ColumnMapping {
  const { placeholder } = modes;
  const { schema, encode } = binaryForm(modes.binary);
  const own = {
    schema,
    encoding: 'decode',
    decode: (bytes: Buffer, start: number, end: number) => encode(read(bytes, start, end)),
    zero: encode(Buffer.alloc(0)),
  } as const;
  switch (modes.binary) {
    case 'bytes':
      return { ...own, unavailable: placeholder };
    case 'hex':
      return { ...own, unavailable: placeholder.toString('utf8') };
    case 'base64':
    case 'base64-url-safe':
      return own;
    default:
      return modes.binary satisfies never;
  }
}

/** Node leaves out the padding of the URL-safe form. */
function padded(text: string, mode: MappingModes['binary']): string {
  return mode === 'base64-url-safe' ? text.padEnd(Math.ceil(text.length / 4) * 4, '=') : text;
}

export const bytea: Row = (_type, modes) => binary(byteaOf, modes);

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

/** GEOMETRYCOLLECTION EMPTY. */
const EMPTY_COLLECTION = '010700000000000000';

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
    return {
      schema,
      encoding: 'decode',
      decode: fromText((text) => postgisOf(schema, text)),
      zero: postgisOf(schema, EMPTY_COLLECTION),
      alwaysOptional: true,
    };
  };

export const SPARSE_VECTOR: Schema = structSchema(
  [
    ['dimensions', INT16],
    ['vector', mapSchema(INT16, FLOAT64)],
  ],
  { name: 'io.debezium.data.SparseDoubleVector', version: 1, doc: 'Sparse double vector' },
);

export const vector =
  (name: string, element: Schema): Row =>
  () => ({
    schema: arraySchema(element, { name: `io.debezium.data.${name}`, version: 1 }),
    encoding: 'decode',
    decode: fromText(
      element.type === 'float32' ? (text) => vectorOf(text)?.map(Math.fround) ?? null : vectorOf,
    ),
    zero: [],
    requiredElements: true,
  });

export const hstore: Row = (_type, modes) => {
  const mark = modes.placeholder.toString('utf8');
  if (modes.hstore === 'map') {
    return {
      schema: mapSchema(STRING, optional(STRING)),
      encoding: 'decode',
      decode: fromText(hstoreMap),
      zero: new Map(),
      unavailable: new Map([[mark, mark]]),
    };
  }
  return {
    schema: semantic('io.debezium.data.Json'),
    encoding: 'decode',
    decode: fromText(hstoreJson),
    zero: '{}',
    unavailable: JSON.stringify({ [mark]: mark }),
  };
};

/** Types that Debezium cannot read come as the bytes of their text, when the config asks for them. */
export const unknown: Row = ({ type }, modes) => {
  if (!modes.includeUnknown) return undefined;
  const read = GEOMETRIC.has(type.name)
    ? (bytes: Buffer, start: number, end: number) => Buffer.from(geometricText(utf8(bytes, start, end)))
    : (bytes: Buffer, start: number, end: number) => Buffer.from(bytes.subarray(start, end));
  return { ...binary(read, modes), requiredElements: true };
};
const GEOMETRIC: ReadonlySet<string> = new Set(['box', 'lseg', 'path', 'polygon', 'circle', 'line']);
