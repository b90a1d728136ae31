// Connect values as a program likes to have them: structs and maps become plain objects.
import { BigDecimal, Double, Struct } from '@millrace/data';

/** A row, key or other struct as a plain object, by column. */
export type PlainObject = Record<string, unknown>;

/**
 * The plain form of a value: structs and maps become objects, decimals the text of their exact digits; numbers,
 * bigints, texts, booleans, Buffers, Dates and null stay.
 */
export function plainValue(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Struct) return plainObject(value);
  if (value instanceof BigDecimal) return value.toPlainString();
  if (value instanceof Double) return value.value;
  if (value instanceof Uint8Array || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(plainValue);
  if (value instanceof Map) {
    const object: PlainObject = {};
    for (const [key, item] of value) put(object, String(key), plainValue(item));
    return object;
  }
  return value;
}

function plainObject(struct: Struct): PlainObject {
  const object: PlainObject = {};
  for (const field of struct.schema.fields) put(object, field.name, plainValue(struct.at(field.index)));
  return object;
}

/** As a struct of constants is shown: with the defaults of its schema in place of nulls. In a row a null is a null. */
export function filledObject(struct: Struct): PlainObject {
  const object: PlainObject = {};
  for (const { name } of struct.schema.fields) put(object, name, plainValue(struct.get(name)));
  return object;
}

/** Plain values with the digits of bigints as texts. */
export function withoutBigints(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(withoutBigints);
  const object: PlainObject = {};
  for (const [name, item] of Object.entries(value)) put(object, name, withoutBigints(item));
  return object;
}

/** A column may have any name. */
function put(object: PlainObject, name: string, value: unknown): void {
  if (name !== '__proto__') object[name] = value;
  else Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}
