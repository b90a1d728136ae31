// Numbers, money and bit strings.
import {
  BigDecimal,
  BOOLEAN,
  bitsSchema,
  decimalSchema,
  FLOAT64,
  INT64,
  parseInt64,
  type Schema,
  STRING,
  VARIABLE_SCALE_DECIMAL,
} from '@millrace/data';
import { ascii, fromText, type ResolvedType, type Row } from './mapping.ts';
import { bitsOf, decimalOf, decimalText, moneyText, variableDecimalOf } from './values.ts';

export const integer =
  (schema: Schema): Row =>
  () => ({
    schema,
    encoding: 'json-number',
    decode: (bytes, start, end) => Number(ascii(bytes, start, end)),
    zero: 0,
  });

export const bigInteger: Row = () => ({
  schema: INT64,
  encoding: 'json-number',
  decode: (bytes, start, end) => parseInt64(ascii(bytes, start, end)) ?? null,
  zero: 0,
});

export const float =
  (schema: Schema): Row =>
  () => ({
    schema,
    encoding: 'decode',
    decode: fromText(schema.type === 'float32' ? (text) => Math.fround(Number(text)) : Number),
    zero: 0,
  });

/** Precision and scale of a numeric, undefined when the column has none. */
function numericScale(typmod: number): { precision: number; scale: number } | undefined {
  return typmod < 4 ? undefined : { precision: (typmod - 4) >>> 16, scale: (typmod - 4) & 0xffff };
}

export const numeric: Row = ({ typmod }, modes) => {
  const limits = numericScale(typmod);
  // `default 0` of a numeric(12,2) is 0.00 in every row that has it. What has more digits shows no default.
  const stored = limits && {
    storedDefault: (text: string) => BigDecimal.parse(text)?.withScale(limits.scale)?.toPlainString(),
  };
  if (modes.decimal === 'double') {
    const mapping = float(FLOAT64)({} as ResolvedType, modes);
    return mapping && { ...mapping, ...stored };
  }
  if (modes.decimal === 'string') {
    return {
      schema: STRING,
      encoding: 'decode',
      decode: fromText((text) => decimalText(text, limits?.scale)),
      zero: new BigDecimal(0n, limits?.scale ?? 0).toPlainString(),
      unavailable: modes.placeholder.toString('utf8'),
      ...stored,
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

export const money: Row = (_type, modes) => {
  if (modes.decimal === 'double') {
    return {
      schema: FLOAT64,
      encoding: 'decode',
      decode: fromText((text) => Number(moneyText(text))),
      zero: 0,
    };
  }
  if (modes.decimal === 'string') {
    const zero = new BigDecimal(0n, modes.moneyDigits).toPlainString();
    return { schema: STRING, encoding: 'decode', decode: fromText(moneyText), zero };
  }
  return {
    schema: decimalSchema(modes.moneyDigits),
    encoding: 'decode',
    decode: fromText((text) => BigDecimal.parse(moneyText(text))?.rounded(modes.moneyDigits) ?? null),
    zero: new BigDecimal(0n, modes.moneyDigits),
  };
};

const ANY_LENGTH = 2147483647;

export const bits: Row = ({ type, typmod }) => {
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
