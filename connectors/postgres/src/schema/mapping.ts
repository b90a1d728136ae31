// What the mapping of a type is made of: its schema, what the bytes of its text form mean, what an
// unset NOT NULL column shows, and what stands for a value that the server left out because it did not change.
import type { RawEncoding, RawPrinter, Schema } from '@millrace/data';
import type { PgType } from './catalog.ts';

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

/** Bytes `start` (inclusive) to `end` (exclusive) to a Connect value; null for what no value can stand for. */
export type Decode = (bytes: Buffer, start: number, end: number) => unknown;

/** How one column's bytes become a value. `schema` is required and without default; its user makes variants. */
export interface ColumnMapping {
  readonly schema: Schema;
  readonly encoding: RawEncoding;
  readonly decode: Decode;
  /** Of encoding `text`. */
  readonly print?: RawPrinter;
  /** Shown for NULL in a NOT NULL column without default. */
  readonly zero: unknown;
  /** A default's literal as the column stores it, where that is not how it is written; undefined = it would be rounded. */
  readonly storedDefault?: (literal: string) => string | undefined;
  /** Shown for an unchanged value left out; undefined = nothing can stand for it. */
  readonly unavailable?: unknown;
  /** The field is optional although the column is NOT NULL. */
  readonly alwaysOptional?: boolean;
  /** Arrays of it have elements that are not optional. */
  readonly requiredElements?: boolean;
}

/** A column's type with its modifier resolved through domains. */
export interface ResolvedType {
  readonly type: PgType;
  readonly typmod: number;
}

/** One row of the table: a column's type under the config's modes to its mapping; undefined = left out. */
export type Row = (resolved: ResolvedType, modes: MappingModes) => ColumnMapping | undefined;

/** The bytes as text. */
export const utf8 = (bytes: Buffer, start: number, end: number): string => bytes.toString('utf8', start, end);
/** The bytes as text, when they are sure to be ASCII. */
export const ascii = (bytes: Buffer, start: number, end: number): string =>
  bytes.toString('latin1', start, end);
/** A decoder that works on text. */
export const fromText =
  (parse: (text: string) => unknown): Decode =>
  (bytes, start, end) =>
    parse(bytes.toString('utf8', start, end));
