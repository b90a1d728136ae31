// org.apache.kafka.connect.transforms.TimestampConverter$Key/$Value: timestamps between text, unix time and Connect's
// logical types.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import {
  CONNECT_DATE,
  CONNECT_TIME,
  CONNECT_TIMESTAMP,
  INT64,
  int64,
  javaClassOf,
  optional,
  type Schema,
  STRING,
  semantic,
} from '@millrace/data';
import { CONNECT_EXCEPTION, ConfigDef, messageOf, type RawConfig, validators } from '@millrace/foundation';
import { REPLACE_NULL_WITH_DEFAULT } from './config-keys.ts';
import { recordError, settingError } from './errors.ts';
import { JavaDateFormat } from './java-date-format.ts';
import {
  basicsOf,
  buildStruct,
  fieldValue,
  requireMap,
  requireStruct,
  SchemaCache,
  type SideName,
  schemaOf,
  structOf,
  valueOf,
  withSide,
} from './side.ts';
import { parseSettings } from './validated-config.ts';

const PURPOSE = 'converting timestamp formats';
const DAY_MS = 86_400_000;

type TimestampType = 'string' | 'unix' | 'Date' | 'Time' | 'Timestamp';
const TYPES: readonly TimestampType[] = ['string', 'unix', 'Date', 'Time', 'Timestamp'];
const SCHEMAS: Readonly<Record<TimestampType, Schema>> = {
  string: STRING,
  unix: INT64,
  Date: semantic(CONNECT_DATE),
  Time: semantic(CONNECT_TIME),
  Timestamp: semantic(CONNECT_TIMESTAMP),
};
/** Units in a millisecond and milliseconds in a unit: one of them is 1. */
const PRECISIONS: Readonly<Record<string, readonly [perMs: bigint, ms: bigint]>> = {
  nanoseconds: [1_000_000n, 1n],
  microseconds: [1000n, 1n],
  milliseconds: [1n, 1n],
  seconds: [1n, 1000n],
};

export const timestampConverterConfig: ConfigDef = new ConfigDef([
  {
    name: 'field',
    type: 'STRING',
    default: '',
    importance: 'HIGH',
    doc: 'The field containing the timestamp, or empty if the entire value is a timestamp.',
  },
  {
    name: 'target.type',
    type: 'STRING',
    importance: 'HIGH',
    doc: 'The desired timestamp representation: string, unix, Date, Time, or Timestamp.',
    validator: validators.oneOf(...TYPES),
  },
  {
    name: 'format',
    type: 'STRING',
    default: '',
    importance: 'MEDIUM',
    doc: 'A SimpleDateFormat-compatible format for the timestamp. Used to generate the output when type=string or used to parse the input if the input is a string.',
  },
  {
    name: 'unix.precision',
    type: 'STRING',
    default: 'milliseconds',
    importance: 'LOW',
    doc: 'The desired Unix precision for the timestamp: seconds, milliseconds, microseconds, or nanoseconds. Used to generate the output when type=unix or used to parse the input if the input is a Long. Note: This SMT will cause precision loss during conversions from, and to, values with sub-millisecond components.',
    validator: validators.oneOf('nanoseconds', 'microseconds', 'milliseconds', 'seconds'),
  },
  REPLACE_NULL_WITH_DEFAULT,
]);

export class TimestampConverter implements Transformation {
  readonly #side: SideName;
  #field = '';
  #target: TimestampType = 'unix';
  #pattern = '';
  #format: JavaDateFormat | undefined;
  #precision: readonly [perMs: bigint, ms: bigint] = [1n, 1n];
  #fillDefaults = true;
  #schemas = new SchemaCache((schema) => this.#convertSchema(schema));

  constructor(side: SideName) {
    this.#side = side;
  }

  configure(settings: RawConfig): void {
    const config = parseSettings(timestampConverterConfig, settings);
    this.#field = config.string('field');
    this.#target = TYPES.find((type) => type === config.string('target.type')) ?? 'unix';
    this.#pattern = config.string('format');
    this.#precision = PRECISIONS[config.string('unix.precision')] ?? [1n, 1n];
    this.#fillDefaults = config.boolean('replace.null.with.default');
    this.#format = this.#pattern === '' ? undefined : compiled(this.#pattern);
    if (this.#target === 'string' && !this.#format) {
      throw settingError(
        'format',
        'TimestampConverter requires format option to be specified when using string timestamps',
      );
    }
    this.#schemas = new SchemaCache((schema) => this.#convertSchema(schema));
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const value = valueOf(this.#side, record);
    const schema = schemaOf(this.#side, record);
    if (schema === null) return this.#applySchemaless(record, value);
    if (this.#field === '') {
      const converted = value === null ? null : this.#fromMs(this.#msOf(value, schema));
      typeOfSchema(schema);
      return withSide(this.#side, record, this.#targetSchema(schema.optional), converted);
    }
    const struct = value === null ? null : requireStruct(value, PURPOSE, schema);
    const updated = this.#schemas.of(schema);
    if (struct === null) return withSide(this.#side, record, updated, null);
    const values = struct.schema.fields.map((field) => {
      const content = fieldValue(struct, field.index, this.#fillDefaults);
      return field.name !== this.#field || content === null
        ? content
        : this.#fromMs(this.#msOf(content, field.schema));
    });
    return withSide(this.#side, record, updated, structOf(updated, values));
  }

  #applySchemaless<R extends ConnectRecord>(record: R, value: unknown): R {
    if (value === null) return record;
    if (this.#field === '') return withSide(this.#side, record, null, this.#convertSchemaless(value));
    const map = new Map(requireMap(value, PURPOSE));
    map.set(this.#field, this.#convertSchemaless(map.get(this.#field) ?? null));
    return withSide(this.#side, record, null, map);
  }

  #convertSchemaless(value: unknown): unknown {
    if (value === null) return null;
    const converted = this.#fromMs(this.#msOfSchemaless(value));
    if (this.#target === 'string' || this.#target === 'unix') return converted;
    const ms = Number(converted) * (this.#target === 'Date' ? DAY_MS : 1);
    return new Date(ms);
  }

  #convertSchema(schema: Schema): Schema {
    const fields = schema.fields.map(
      ({ name, schema: field }) =>
        [name, name === this.#field ? this.#targetSchema(field.optional) : field] as const,
    );
    return buildStruct(fields, { ...basicsOf(schema), optional: schema.optional });
  }

  #targetSchema(isOptional: boolean): Schema {
    const schema = SCHEMAS[this.#target];
    return isOptional ? optional(schema) : schema;
  }

  #msOf(value: unknown, schema: Schema): number {
    switch (typeOfSchema(schema)) {
      case 'string':
        return this.#parse(String(value));
      case 'unix':
        return this.#fromUnix(BigInt(value as number | bigint));
      case 'Date':
        return Math.floor(Number(value) * DAY_MS);
      default:
        return Number(value);
    }
  }

  #msOfSchemaless(value: unknown): number {
    if (value instanceof Date) return value.getTime();
    if (typeof value === 'string') return this.#parse(value);
    if (typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value)))
      return this.#fromUnix(BigInt(value));
    throw recordError(
      `TimestampConverter does not support class ${javaClassOf(value)} objects as timestamps`,
    );
  }

  #parse(text: string): number {
    if (!this.#format) {
      throw recordError(
        'A text is only read as a timestamp with the format option',
        'java.lang.NullPointerException',
      );
    }
    const ms = this.#format.parse(text);
    if (ms === undefined) {
      throw recordError(
        `Could not parse timestamp: value (${text}) does not match pattern (${this.#pattern})`,
      );
    }
    return ms;
  }

  #fromUnix(unix: bigint): number {
    const [perMs, ms] = this.#precision;
    return Number((unix / perMs) * ms);
  }

  #fromMs(ms: number): unknown {
    switch (this.#target) {
      case 'string':
        return this.#format?.format(ms);
      case 'unix': {
        const [perMs, unit] = this.#precision;
        return int64((BigInt(ms) / unit) * perMs);
      }
      case 'Date':
        return Math.floor(ms / DAY_MS);
      case 'Time':
        return ((ms % DAY_MS) + DAY_MS) % DAY_MS;
      case 'Timestamp':
        return ms;
      default:
        return this.#target satisfies never;
    }
  }
}

function typeOfSchema(schema: Schema): TimestampType {
  if (schema.name === CONNECT_TIMESTAMP) return 'Timestamp';
  if (schema.name === CONNECT_DATE) return 'Date';
  if (schema.name === CONNECT_TIME) return 'Time';
  if (schema.type === 'string') return 'string';
  if (schema.type === 'int64') return 'unix';
  const type = schema.type.toUpperCase();
  throw recordError(
    `Schema Schema{${schema.name === null ? type : `${schema.name}:${type}`}} does not correspond to a known timestamp type format`,
    CONNECT_EXCEPTION,
  );
}

function compiled(pattern: string): JavaDateFormat {
  try {
    return new JavaDateFormat(pattern);
  } catch (error) {
    // Connect passes the exception where the value belongs.
    throw settingError(
      'format',
      `Invalid value java.lang.IllegalArgumentException: ${messageOf(error)} for configuration TimestampConverter requires a SimpleDateFormat-compatible pattern for string timestamps: ${pattern}`,
    );
  }
}
