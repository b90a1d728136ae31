// Postgres types to Connect schemas and values: a table, one row a type (contract 2.1 to 2.3). A row says what the
// schema is, what the bytes of the text form mean, what an unset NOT NULL column shows, and what stands for a value
// that the server left out because it did not change.
import { createHash } from 'node:crypto';
import {
  ArrayStruct,
  arraySchema,
  BigDecimal,
  BOOLEAN,
  BYTES,
  bitsSchema,
  decimalSchema,
  enumSchema,
  FLOAT32,
  FLOAT64,
  INT16,
  INT32,
  INT64,
  mapSchema,
  optional,
  parseInt64,
  primitive,
  type RawEncoding,
  type Schema,
  STRING,
  semantic,
  structSchema,
  VARIABLE_SCALE_DECIMAL,
} from '@millrace/data';
import { NESTED, parseArrayText } from './array-text.ts';
import type { PgType, TypeCatalog } from './catalog.ts';
import {
  dateValue,
  intervalUs,
  isoDate,
  isoInterval,
  isoTime,
  isoTimestamp,
  isoZonedTime,
  parseInterval,
  timestampMs,
  timestampNs,
  timestampUs,
  timeUs,
} from './temporal.ts';
import {
  bitsOf,
  byteaOf,
  decimalOf,
  decimalText,
  geometricText,
  hstorePairs,
  moneyText,
  pointOf,
  postgisOf,
  sparseVectorOf,
  variableDecimalOf,
  vectorOf,
} from './values.ts';

/** The config keys that decide how types map. */
export interface MappingModes {
  readonly decimal: 'precise' | 'double' | 'string';
  readonly time:
    | 'adaptive'
    | 'adaptive_time_microseconds'
    | 'connect'
    | 'isostring'
    | 'microseconds'
    | 'nanoseconds';
  readonly binary: 'bytes' | 'base64' | 'base64-url-safe' | 'hex';
  readonly interval: 'numeric' | 'string';
  readonly hstore: 'json' | 'map';
  readonly moneyDigits: number;
  readonly includeUnknown: boolean;
  /** What stands for an unchanged value that the server did not send. */
  readonly placeholder: Buffer;
  /** The database's texts are sure to be UTF-8. */
  readonly utf8: boolean;
}

/** How one column's bytes become a value. `schema` is required and without default; its user makes variants. */
export interface ColumnMapping {
  readonly schema: Schema;
  readonly encoding: RawEncoding;
  decode(bytes: Buffer, start: number, end: number): unknown;
  /** Shown for NULL in a NOT NULL column without default. */
  readonly zero: unknown;
  /** Shown for an unchanged value left out; undefined = nothing can stand for it. */
  readonly unavailable?: unknown;
  /** Arrays of it have elements that are not optional. */
  readonly requiredElements?: boolean;
}

/** A column's type with its modifier resolved through domains. */
export interface ResolvedType {
  readonly type: PgType;
  readonly typmod: number;
}

type Row = (resolved: ResolvedType, modes: MappingModes) => ColumnMapping | undefined;
type Decode = (bytes: Buffer, start: number, end: number) => unknown;

const utf8 = (bytes: Buffer, start: number, end: number): string => bytes.toString('utf8', start, end);
const ascii = (bytes: Buffer, start: number, end: number): string => bytes.toString('latin1', start, end);
/** A decoder that works on text. */
const fromText =
  (parse: (text: string) => unknown): Decode =>
  (bytes, start, end) =>
    parse(bytes.toString('utf8', start, end));

const integer =
  (schema: Schema): Row =>
  () => ({
    schema,
    encoding: 'json-number',
    decode: (bytes, start, end) => Number(ascii(bytes, start, end)),
    zero: 0,
  });

const bigInteger: Row = () => ({
  schema: INT64,
  encoding: 'json-number',
  decode: (bytes, start, end) => parseInt64(ascii(bytes, start, end)) ?? null,
  zero: 0,
});

const float =
  (schema: Schema): Row =>
  () => ({
    schema,
    encoding: 'decode',
    decode: fromText(schema.type === 'float32' ? (text) => Math.fround(Number(text)) : Number),
    zero: 0,
  });

const textual =
  (schema: Schema, more: Partial<ColumnMapping> = {}): Row =>
  (_type, modes) => ({
    schema,
    encoding: modes.utf8 ? 'utf8' : 'decode',
    decode: utf8,
    zero: '',
    unavailable: modes.placeholder.toString('utf8'),
    ...more,
  });

/** Precision and scale of a numeric, undefined when the column has none. */
function numericScale(typmod: number): { precision: number; scale: number } | undefined {
  return typmod < 4 ? undefined : { precision: (typmod - 4) >>> 16, scale: (typmod - 4) & 0xffff };
}

const numeric: Row = ({ typmod }, modes) => {
  const limits = numericScale(typmod);
  if (modes.decimal === 'double') return float(FLOAT64)({} as ResolvedType, modes);
  if (modes.decimal === 'string') {
    return {
      schema: STRING,
      encoding: 'decode',
      decode: fromText((text) => decimalText(text, limits?.scale)),
      zero: '',
    };
  }
  if (limits === undefined) {
    return {
      schema: VARIABLE_SCALE_DECIMAL,
      encoding: 'decode',
      decode: fromText(variableDecimalOf),
      zero: variableDecimalOf('0'),
    };
  }
  const { scale, precision } = limits;
  return {
    schema: decimalSchema(scale, precision),
    encoding: 'decimal',
    decode: fromText((text) => decimalOf(text, scale)),
    zero: new BigDecimal(0n, scale),
  };
};

const money: Row = (_type, modes) => {
  if (modes.decimal === 'double') {
    return {
      schema: FLOAT64,
      encoding: 'decode',
      decode: fromText((text) => Number(moneyText(text))),
      zero: 0,
    };
  }
  if (modes.decimal === 'string') {
    return { schema: STRING, encoding: 'decode', decode: fromText(moneyText), zero: '' };
  }
  return {
    schema: decimalSchema(modes.moneyDigits),
    encoding: 'decode',
    decode: fromText((text) => decimalOf(moneyText(text), modes.moneyDigits)),
    zero: new BigDecimal(0n, modes.moneyDigits),
  };
};

const ANY_LENGTH = 2147483647;

const bits: Row = ({ type, typmod }) => {
  const length = typmod > 0 ? typmod : type.name === 'bit' ? 1 : ANY_LENGTH;
  if (length === 1) {
    return {
      schema: BOOLEAN,
      encoding: 'decode',
      decode: (bytes, start, end) => (start === end ? null : bytes[start] === 0x31),
      zero: false,
    };
  }
  return {
    schema: bitsSchema(length),
    encoding: 'decode',
    decode: (bytes, start, end) => bitsOf(ascii(bytes, start, end)),
    zero: Buffer.alloc(0),
  };
};

const bytea: Row = (_type, modes) => {
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

/** Digits after the second: a type without a modifier has six. */
const fraction = (typmod: number): number => (typmod < 0 ? 6 : typmod);

const date: Row = (_type, modes) => {
  if (modes.time === 'isostring') {
    return {
      schema: semantic('io.debezium.time.IsoDate'),
      encoding: 'decode',
      decode: (bytes, start, end) => `${isoDate(dateValue(bytes, start, end))}Z`,
      zero: '',
    };
  }
  const schema =
    modes.time === 'connect'
      ? semantic('org.apache.kafka.connect.data.Date')
      : semantic('io.debezium.time.Date');
  return { schema, encoding: 'decode', decode: dateValue, zero: 0 };
};

const time: Row = ({ typmod }, modes) => {
  const micros =
    (factor: number): Decode =>
    (bytes, start, end) =>
      timeUs(bytes, start, end) * factor;
  const millis: Decode = (bytes, start, end) => Math.floor(timeUs(bytes, start, end) / 1000);
  const mapping = (schema: Schema, decode: Decode, zero: unknown = 0): ColumnMapping => ({
    schema,
    encoding: 'decode',
    decode,
    zero,
  });
  switch (modes.time) {
    case 'connect':
      return mapping(semantic('org.apache.kafka.connect.data.Time'), millis);
    case 'isostring':
      return mapping(
        semantic('io.debezium.time.IsoTime'),
        (bytes, start, end) => `${isoTime(timeUs(bytes, start, end) % 86_400_000_000, undefined)}Z`,
        '',
      );
    case 'nanoseconds':
      return mapping(semantic('io.debezium.time.NanoTime'), micros(1000));
    case 'adaptive':
      return fraction(typmod) <= 3
        ? mapping(semantic('io.debezium.time.Time'), millis)
        : mapping(semantic('io.debezium.time.MicroTime'), micros(1));
    case 'adaptive_time_microseconds':
    case 'microseconds':
      return mapping(semantic('io.debezium.time.MicroTime'), micros(1));
    default:
      return modes.time satisfies never;
  }
};

const timestamp: Row = ({ typmod }, modes) => {
  const mapping = (schema: Schema, decode: Decode, zero: unknown = 0): ColumnMapping => ({
    schema,
    encoding: 'decode',
    decode,
    zero,
  });
  switch (modes.time) {
    case 'connect':
      return mapping(semantic('org.apache.kafka.connect.data.Timestamp'), timestampMs);
    case 'isostring':
      return mapping(
        semantic('io.debezium.time.IsoTimestamp'),
        (bytes, start, end) => isoTimestamp(bytes, start, end, undefined),
        '',
      );
    case 'nanoseconds':
      return mapping(semantic('io.debezium.time.NanoTimestamp'), timestampNs);
    case 'adaptive':
    case 'adaptive_time_microseconds':
      return fraction(typmod) <= 3
        ? mapping(semantic('io.debezium.time.Timestamp'), timestampMs)
        : mapping(semantic('io.debezium.time.MicroTimestamp'), timestampUs);
    case 'microseconds':
      return mapping(semantic('io.debezium.time.MicroTimestamp'), timestampUs);
    default:
      return modes.time satisfies never;
  }
};

const zonedTimestamp: Row = ({ typmod }) => {
  const scale = fraction(typmod);
  return {
    schema: semantic('io.debezium.time.ZonedTimestamp'),
    encoding: 'decode',
    decode: (bytes, start, end) => isoTimestamp(bytes, start, end, scale),
    zero: '1970-01-01T00:00:00Z',
  };
};

const zonedTime: Row = () => ({
  schema: semantic('io.debezium.time.ZonedTime'),
  encoding: 'decode',
  decode: isoZonedTime,
  zero: '00:00:00Z',
});

const interval: Row = (_type, modes) => {
  const parts = (use: (parsed: NonNullable<ReturnType<typeof parseInterval>>) => unknown): Decode =>
    fromText((text) => {
      const parsed = parseInterval(text);
      return parsed === undefined ? null : use(parsed);
    });
  return modes.interval === 'string'
    ? {
        schema: semantic('io.debezium.time.Interval'),
        encoding: 'decode',
        decode: parts(isoInterval),
        zero: '',
      }
    : {
        schema: semantic('io.debezium.time.MicroDuration'),
        encoding: 'decode',
        decode: parts(intervalUs),
        zero: 0,
      };
};

const enumeration: Row = ({ type }, modes) =>
  textual(enumSchema(type.labels), { unavailable: undefined })({ type, typmod: -1 }, modes);

const POINT = structSchema(
  [
    ['x', FLOAT64],
    ['y', FLOAT64],
    ['wkb', optional(BYTES)],
    ['srid', optional(INT32)],
  ],
  { name: 'io.debezium.data.geometry.Point', version: 1, doc: 'Geometry (POINT)' },
);

const postgis =
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

const SPARSE_VECTOR = structSchema(
  [
    ['dimensions', INT16],
    ['vector', mapSchema(INT16, FLOAT64)],
  ],
  { name: 'io.debezium.data.SparseDoubleVector', version: 1 },
);

const vector =
  (name: string, element: Schema): Row =>
  () => ({
    schema: arraySchema(element, { name: `io.debezium.data.${name}`, version: 1 }),
    encoding: 'decode',
    decode: fromText(vectorOf),
    zero: [],
  });

const hstore: Row = (_type, modes) => {
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
const unknown: Row = ({ type }, modes) =>
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

/** By type name: the types of the server and of its common extensions. */
const ROWS: Readonly<Record<string, Row>> = {
  bool: () => ({
    schema: BOOLEAN,
    encoding: 'true-false',
    decode: (bytes, start) => bytes[start] === 0x74,
    zero: false,
  }),
  int2: integer(INT16),
  int4: integer(INT32),
  int8: bigInteger,
  oid: bigInteger,
  float4: float(FLOAT32),
  float8: float(FLOAT64),
  numeric,
  money,
  bit: bits,
  varbit: bits,
  bytea,
  bpchar: textual(STRING),
  varchar: textual(STRING),
  text: textual(STRING),
  name: textual(STRING),
  char: textual(STRING),
  citext: textual(STRING),
  inet: textual(STRING),
  cidr: textual(STRING),
  macaddr: textual(STRING),
  macaddr8: textual(STRING),
  int4range: textual(STRING),
  int8range: textual(STRING),
  numrange: textual(STRING),
  tsrange: textual(STRING),
  tstzrange: textual(STRING),
  daterange: textual(STRING),
  isbn: textual(STRING),
  json: textual(semantic('io.debezium.data.Json')),
  jsonb: textual(semantic('io.debezium.data.Json')),
  xml: textual(semantic('io.debezium.data.Xml')),
  uuid: textual(semantic('io.debezium.data.Uuid')),
  ltree: textual(semantic('io.debezium.data.Ltree')),
  tsvector: textual(semantic('io.debezium.data.Tsvector'), { requiredElements: true }),
  date,
  time,
  timetz: zonedTime,
  timestamp,
  timestamptz: zonedTimestamp,
  interval,
  point: () => ({
    schema: POINT,
    encoding: 'decode',
    decode: fromText((text) => pointOf(POINT, text)),
    zero: null,
  }),
  geometry: postgis('Geometry', 'Geometry'),
  geography: postgis('Geography', 'Geography'),
  hstore,
  vector: vector('DoubleVector', FLOAT64),
  halfvec: vector('FloatVector', FLOAT32),
  sparsevec: () => ({
    schema: SPARSE_VECTOR,
    encoding: 'decode',
    decode: fromText((text) => sparseVectorOf(SPARSE_VECTOR, text)),
    zero: new ArrayStruct(SPARSE_VECTOR, [0, new Map()]),
  }),
};

/** Arrays of these are left out, as Debezium leaves them out. */
const NO_ARRAYS: ReadonlySet<string> = new Set([
  'money',
  'name',
  'interval',
  'bit',
  'varbit',
  'xml',
  'point',
  'refcursor',
  'vector',
  'halfvec',
  'sparsevec',
]);

/** Follows domains to what they are over; a modifier of the domain counts where the column has none. */
export function resolveType(types: TypeCatalog, oid: number, typmod: number): ResolvedType | undefined {
  let type = types.get(oid);
  let modifier = typmod;
  for (let depth = 0; type !== undefined && type.kind === 'd' && depth < 32; depth++) {
    if (modifier < 0) modifier = type.baseTypmod;
    type = types.get(type.baseOid);
  }
  return type === undefined ? undefined : { type, typmod: modifier };
}

/** The mapping of a column; undefined when columns of its type are left out. */
export function mapType(
  types: TypeCatalog,
  oid: number,
  typmod: number,
  modes: MappingModes,
): ColumnMapping | undefined {
  const resolved = resolveType(types, oid, typmod);
  if (resolved === undefined) return undefined;
  const { type } = resolved;
  if (type.elementOid !== 0) return mapArray(types, resolved, modes);
  if (type.kind === 'e') return enumeration(resolved, modes);
  return (
    (Object.hasOwn(ROWS, type.name) ? ROWS[type.name] : undefined)?.(resolved, modes) ??
    unknown(resolved, modes)
  );
}

function mapArray(types: TypeCatalog, array: ResolvedType, modes: MappingModes): ColumnMapping | undefined {
  const element = resolveType(types, array.type.elementOid, array.typmod);
  if (element === undefined || (NO_ARRAYS.has(element.type.name) && element.type.schema === 'pg_catalog')) {
    return undefined;
  }
  const mapping = mapType(types, element.type.oid, element.typmod, modes);
  if (mapping === undefined) return undefined;
  const isEnum = element.type.kind === 'e';
  const items = mapping.requiredElements || isEnum ? mapping.schema : optional(mapping.schema);
  const { decode } = mapping;
  return {
    schema: arraySchema(items),
    encoding: 'decode',
    decode: fromText((text) => {
      const elements = parseArrayText(text, element.type.name === 'box' ? ';' : ',');
      if (elements === undefined) return null;
      // An enumeration's element cannot be null: the array as a whole is.
      if (isEnum && elements.includes(null)) return null;
      return elements.map((item) => {
        if (item === null || item === NESTED) return null;
        const bytes = Buffer.from(item);
        return decode(bytes, 0, bytes.length);
      });
    }),
    zero: [],
    unavailable: unavailableArray(element.type.name, modes),
  };
}

/** What stands for an unchanged array: one element, or the placeholder's bytes as numbers; most types have nothing. */
function unavailableArray(element: string, modes: MappingModes): unknown {
  const { placeholder } = modes;
  switch (element) {
    case 'text':
    case 'varchar':
    case 'bpchar':
    case 'json':
    case 'jsonb':
    case 'citext':
      return [placeholder.toString('utf8')];
    case 'bytea':
      return [placeholder];
    case 'int4':
    case 'int8':
    case 'date':
      return [...placeholder];
    case 'uuid':
      return [nameUuid(placeholder)];
    default:
      return undefined;
  }
}

/** Java's `UUID.nameUUIDFromBytes`: version 3 without a namespace. */
function nameUuid(name: Buffer): string {
  const hash = createHash('md5').update(name).digest();
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x30;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The schema of a value that is the text of another: what masks and hashes make. */
export const MASKABLE: ReadonlySet<string> = new Set(['text', 'varchar', 'bpchar', 'char', 'name', 'citext']);
export const PLAIN_STRING: Schema = primitive('string');
