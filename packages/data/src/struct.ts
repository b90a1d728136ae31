// Values of struct schemas. Three forms behind one reading interface: an array of values; a template whose constant
// fields were prepared once for many records; and a raw row that decodes a column only when it is asked for.
import type { Field, Schema } from './schema.ts';

/** A value that conforms to a struct schema. */
export abstract class Struct {
  abstract readonly schema: Schema;

  /** The value of the field at `index` as it is stored; null when unset. No default is filled in. */
  abstract at(index: number): unknown;

  /** The value of a field, with the schema's default in place of null, as Connect's `Struct.get`. */
  get(name: string): unknown {
    const field = fieldOf(this.schema, name);
    const value = this.at(field.index);
    return value === null && field.schema.defaultValue !== undefined ? field.schema.defaultValue : value;
  }

  /** The value of a field, null when unset, as Connect's `getWithoutDefault`. */
  getRaw(name: string): unknown {
    return this.at(fieldOf(this.schema, name).index);
  }

  /** All values in field order. */
  toArray(): unknown[] {
    return this.schema.fields.map((field) => this.at(field.index));
  }

  equals(other: unknown): boolean {
    return (
      other instanceof Struct &&
      this.schema.equals(other.schema) &&
      this.schema.fields.every((field) => sameValue(this.at(field.index), other.at(field.index)))
    );
  }
}

// A private method would make every new struct slower.
function fieldOf(schema: Schema, name: string): Field {
  const field = schema.field(name);
  if (!field) throw new RangeError(`${name} is not a valid field name`);
  return field;
}

/** Deep equality of Connect values. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (a instanceof Struct) return a.equals(b);
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => sameValue(item, b[i]));
  if (a instanceof Map) {
    return (
      b instanceof Map &&
      a.size === b.size &&
      [...a].every(([key, value]) => b.has(key) && sameValue(value, b.get(key)))
    );
  }
  if (typeof a === 'object' && a !== null && 'equals' in a && typeof a.equals === 'function') {
    return (a as { equals(other: unknown): boolean }).equals(b);
  }
  return false;
}

/** A struct over an array of values in field order. The array is owned by the struct from then on. */
export class ArrayStruct extends Struct {
  readonly schema: Schema;
  readonly values: readonly unknown[];

  constructor(schema: Schema, values: readonly unknown[]) {
    super();
    this.schema = schema;
    this.values = values;
  }
  override at(index: number): unknown {
    return this.values[index] ?? null;
  }
  override toArray(): unknown[] {
    return this.schema.fields.map((field) => this.values[field.index] ?? null);
  }

  /** From values by field name; missing fields are null, unknown names throw. */
  static of(schema: Schema, values: Readonly<Record<string, unknown>>): ArrayStruct {
    for (const name of Object.keys(values)) {
      if (!schema.field(name)) throw new RangeError(`${name} is not a valid field name`);
    }
    return new ArrayStruct(
      schema,
      schema.fields.map((field) => values[field.name] ?? null),
    );
  }
}

/** Marks a field of a template whose value differs from record to record. */
export const VARYING: unique symbol = Symbol('varying');

/** In place of VARYING for a string field whose texts differ in an integer only: the varying value is the integer. */
export class VaryingText {
  readonly before: string;
  readonly after: string;

  constructor(before: string, after: string) {
    this.before = before;
    this.after = after;
  }
  of(value: unknown): string {
    return `${this.before}${String(value)}${this.after}`;
  }
}

/**
 * The constant part of many structs: per transaction, per relation, per batch. Converters keep what they prepared
 * from it in `prepared`, under a key of their own.
 */
export class StructTemplate {
  readonly schema: Schema;
  /** By field index: the constant value, VARYING, or a VaryingText. */
  readonly constants: readonly unknown[];
  /** By field index: the position in the varying values, or -1. */
  readonly slots: readonly number[];
  readonly prepared: Map<object, unknown> = new Map();

  constructor(schema: Schema, constants: readonly unknown[]) {
    this.schema = schema;
    this.constants = constants;
    let next = 0;
    this.slots = constants.map((value) => (value === VARYING || value instanceof VaryingText ? next++ : -1));
  }
}

/** A struct of a template and the values of its varying fields, in field order. */
export class TemplateStruct extends Struct {
  readonly template: StructTemplate;
  readonly varying: readonly unknown[];

  constructor(template: StructTemplate, varying: readonly unknown[]) {
    super();
    this.template = template;
    this.varying = varying;
  }
  override get schema(): Schema {
    return this.template.schema;
  }
  override at(index: number): unknown {
    const slot = this.template.slots[index] ?? -1;
    const constant = this.template.constants[index];
    if (slot < 0) return constant ?? null;
    return constant instanceof VaryingText ? constant.of(this.varying[slot]) : (this.varying[slot] ?? null);
  }
}

/**
 * How the bytes of a raw column may be written without making a value:
 * - `json-number`: they are a JSON number literal (decimal digits of an integer, as a database prints it);
 * - `utf8`: they are valid UTF-8 and the value is that text;
 * - `true-false`: one byte, `t` or `f`;
 * - `decimal`: plain decimal text, of a Connect Decimal whose scale has at least as many digits;
 * - `text`: the value is a string that the field's `print` writes;
 * - `decode`: only `decode` knows.
 */
export type RawEncoding = 'json-number' | 'utf8' | 'true-false' | 'decimal' | 'text' | 'decode';

/**
 * Writes the text of `source[start, end)` into `target` from `at` on: at most 60 bytes of ASCII without quotes,
 * backslashes and control characters. Returns where it ended, or -1 when this value has to be decoded.
 */
export type RawPrinter = (source: Buffer, start: number, end: number, target: Buffer, at: number) => number;

/** A field of a row layout: where its column is and what its bytes mean. */
export interface RawField {
  /** Position of the column in the row's index table. */
  readonly column: number;
  readonly encoding: RawEncoding;
  /** Bytes `start` (inclusive) to `end` (exclusive) to the Connect value; must agree with `encoding`. */
  decode(bytes: Buffer, start: number, end: number): unknown;
  /** For `text`: writes what `decode` gives. */
  readonly print?: RawPrinter;
  /** Value of SQL NULL: null, or for a required field its default or zero. */
  readonly nullValue: unknown;
  /** Value of a column whose content the source did not send (unchanged TOAST). */
  readonly unavailableValue: unknown;
  /** Told of such a column where `unavailableValue` is not what stands for one; may refuse it by throwing. */
  readonly onUnavailable?: () => void;
  /** The bytes are not to be shown, only what `decode` makes of them: a masked column. */
  readonly concealed?: boolean;
}

/** What the columns of one version of a relation are. One object per version; converters compile per layout. */
export interface RowLayout {
  readonly schema: Schema;
  /** In the order of `schema.fields`. */
  readonly fields: readonly RawField[];
}

/** Length of a column that is NULL. */
export const RAW_NULL = -1;
/** Length of a column that the source left out because it did not change. */
export const RAW_UNAVAILABLE = -2;

/**
 * A row as the source sent it. Of column `c`, `index[base + 2c]` is the start in `bytes` and `index[base + 2c + 1]`
 * the length (or RAW_NULL, RAW_UNAVAILABLE). `bytes` and `index` are shared by the rows of a batch and never change.
 */
export class RawRow extends Struct {
  readonly layout: RowLayout;
  readonly bytes: Buffer;
  readonly index: Int32Array;
  readonly base: number;

  constructor(layout: RowLayout, bytes: Buffer, index: Int32Array, base: number) {
    super();
    this.layout = layout;
    this.bytes = bytes;
    this.index = index;
    this.base = base;
  }
  override get schema(): Schema {
    return this.layout.schema;
  }
  override at(index: number): unknown {
    const field = this.layout.fields[index];
    if (!field) return null;
    const at = this.base + 2 * field.column;
    const length = this.index[at + 1] ?? RAW_NULL;
    if (length >= 0) {
      const start = this.index[at] ?? 0;
      return field.decode(this.bytes, start, start + length);
    }
    if (length !== RAW_UNAVAILABLE) return field.nullValue;
    field.onUnavailable?.();
    return field.unavailableValue;
  }
}
