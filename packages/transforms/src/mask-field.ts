// org.apache.kafka.connect.transforms.MaskField$Key/$Value: puts a type's zero or a fixed value in place of fields.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { BigDecimal, Double, int64, javaClassOf, type Schema } from '@millrace/data';
import { ConfigDef, type RawConfig, validators } from '@millrace/foundation';
import { REPLACE_NULL_WITH_DEFAULT } from './config-keys.ts';
import { recordError } from './errors.ts';
import {
  fieldValue,
  requireMap,
  requireStruct,
  type SideName,
  schemaOf,
  structOf,
  valueOf,
  withSide,
} from './side.ts';
import { parseSettings } from './validated-config.ts';

const PURPOSE = 'mask fields';
const NON_EMPTY = validators.nonEmpty();

export const maskFieldConfig: ConfigDef = new ConfigDef([
  {
    name: 'fields',
    type: 'LIST',
    importance: 'HIGH',
    doc: 'Names of fields to mask.',
    validator: validators.list('required'),
  },
  {
    name: 'replacement',
    type: 'STRING',
    default: null,
    importance: 'LOW',
    doc: 'Custom value replacement, that will be applied to all <code>fields</code> values (numeric or non-empty string values only).',
    validator: (value, name) => (value === null ? undefined : NON_EMPTY(value, name)),
  },
  REPLACE_NULL_WITH_DEFAULT,
]);

export class MaskField implements Transformation {
  readonly #side: SideName;
  #fields: ReadonlySet<string> = new Set();
  #replacement: string | undefined;
  #fillDefaults = true;

  constructor(side: SideName) {
    this.#side = side;
  }

  configure(settings: RawConfig): void {
    const config = parseSettings(maskFieldConfig, settings);
    this.#fields = new Set(config.list('fields'));
    this.#replacement = config.optionalString('replacement');
    this.#fillDefaults = config.boolean('replace.null.with.default');
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const value = valueOf(this.#side, record);
    const schema = schemaOf(this.#side, record);
    if (schema === null) {
      const masked = new Map(requireMap(value, PURPOSE));
      for (const field of this.#fields) masked.set(field, this.#mask(masked.get(field) ?? null, null));
      return withSide(this.#side, record, null, masked);
    }
    const struct = requireStruct(value, PURPOSE, schema);
    const values = struct.schema.fields.map((field) => {
      const content = fieldValue(struct, field.index, this.#fillDefaults);
      return this.#fields.has(field.name) ? this.#mask(content, field.schema) : content;
    });
    return withSide(this.#side, record, struct.schema, structOf(struct.schema, values));
  }

  #mask(value: unknown, schema: Schema | null): unknown {
    if (value === null) return null;
    return this.#replacement === undefined
      ? zeroOf(value, schema)
      : replaced(value, schema, this.#replacement);
  }
}

function zeroOf(value: unknown, schema: Schema | null): unknown {
  if (typeof value === 'string') return '';
  if (typeof value === 'boolean') return false;
  if (typeof value === 'number') return schema === null && !Number.isInteger(value) ? new Double(0) : 0;
  if (typeof value === 'bigint') return 0;
  if (value instanceof Double) return new Double(0);
  if (value instanceof BigDecimal) return new BigDecimal(0n, 0);
  if (value instanceof Date) return new Date(0);
  if (Array.isArray(value)) return [];
  if (value instanceof Map) return new Map();
  throw recordError(`Cannot mask value of type: class ${javaClassOf(value, schema)}`);
}

const BITS: Readonly<Record<string, number>> = {
  'java.lang.Byte': 8,
  'java.lang.Short': 16,
  'java.lang.Integer': 32,
  'java.lang.Long': 64,
};

function replaced(value: unknown, schema: Schema | null, text: string): unknown {
  const javaClass = javaClassOf(value, schema);
  if (javaClass === 'java.lang.String') return text;
  const bits = BITS[javaClass];
  if (bits !== undefined) return int64(BigInt.asIntN(bits, wholePart(decimalOf(text))));
  switch (javaClass) {
    case 'java.lang.Float':
      return Math.fround(Number(decimalOf(text).toPlainString()));
    case 'java.lang.Double': {
      const number = Number(decimalOf(text).toPlainString());
      return schema === null && Number.isInteger(number) ? new Double(number) : number;
    }
    case 'java.math.BigDecimal':
      return decimalOf(text);
    case 'java.math.BigInteger':
      if (!/^[+-]?\d+$/.test(text)) throw notANumber(text);
      return BigInt(text.replace(/^\+/, ''));
    default:
      throw recordError(`Cannot mask value of type class ${javaClass} with custom replacement.`);
  }
}

/** As far as a replacement goes: its digits would be made one by one. */
const MAX_SCALE = 1000;

function decimalOf(text: string): BigDecimal {
  const decimal = BigDecimal.parse(text);
  if (!decimal || Math.abs(decimal.scale) > MAX_SCALE) throw notANumber(text);
  return decimal;
}

function wholePart(decimal: BigDecimal): bigint {
  const { unscaled, scale } = decimal;
  return scale <= 0 ? unscaled * 10n ** BigInt(-scale) : unscaled / 10n ** BigInt(scale);
}

function notANumber(text: string): Error {
  return recordError(`Unable to convert ${text} (class java.lang.String) to a number`);
}
