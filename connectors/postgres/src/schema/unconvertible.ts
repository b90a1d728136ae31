// Values that their fields cannot hold (a NaN in exact decimals, a sparse vector of too many dimensions): what
// event.converting.failure.handling.mode says about them.
import type { StreamCounts } from '@millrace/connector-common';
import { type RawEncoding, requiredValue, unconvertible, unconvertibleText } from '@millrace/data';
import type { Logger } from '@millrace/foundation';
import type { ColumnMapping, Decode } from './mapping.ts';

/** `fail`: the change fails. `warn`: null, counted and logged. `skip`: null, counted. */
export type ConversionFailures = 'fail' | 'warn' | 'skip';

/**
 * What is done about such a value. A column is logged with its first one and whenever their number has grown tenfold:
 * one bad column of a large table must not flood the log.
 *
 * @throws data.unconvertible from what is returned, in mode `fail`
 */
export function unconvertibleValues(
  mode: ConversionFailures,
  counts: StreamCounts,
  logger: Logger,
): (column: string, type: string) => void {
  const byColumn = new Map<string, { values: number; nextLog: number }>();
  return (column, type) => {
    counts.unconvertible++;
    if (mode === 'fail') throw unconvertible(column, type);
    if (mode === 'skip') return;
    let of = byColumn.get(column);
    if (of === undefined) {
      of = { values: 0, nextLog: 1 };
      byColumn.set(column, of);
    }
    of.values++;
    if (of.values < of.nextLog) return;
    of.nextLog *= 10;
    logger.error(
      { column, values: of.values },
      `Failed to properly convert data value for '${column}' of type ${type}: null, or the default of its field, takes its place`,
    );
  };
}

/** Of these every text is a value. */
const ALWAYS_CONVERTIBLE: ReadonlySet<RawEncoding> = new Set(['json-number', 'utf8', 'true-false']);

/** What no value can stand for is told of, and null. */
export function noticed(mapping: ColumnMapping, tell: () => void): Decode {
  if (ALWAYS_CONVERTIBLE.has(mapping.encoding)) return mapping.decode;
  const { decode } = mapping;
  return (bytes, start, end) => {
    const value = decode(bytes, start, end);
    if (value === null) tell();
    return value;
  };
}

/** A column and the field that its values go to. */
export interface Place {
  /** `schema.table.column`. */
  readonly column: string;
  readonly columnType: string;
  readonly field: { readonly name: string; readonly type: string };
}

/**
 * INV-4: likewise where null cannot take its place either, as a zero would be another value.
 *
 * @throws data.required_unconvertible from what is returned
 */
export function refusing(mapping: ColumnMapping, tell: () => void, place: Place): Decode {
  if (ALWAYS_CONVERTIBLE.has(mapping.encoding)) return mapping.decode;
  const { decode } = mapping;
  return (bytes, start, end) => {
    const value = decode(bytes, start, end);
    if (value !== null) return value;
    tell();
    throw requiredValue(place.field, unconvertibleText(place.column, place.columnType));
  };
}

const UNSENT_HINT =
  'Give the table REPLICA IDENTITY FULL, or have such columns read anew (post.processors, ReselectColumnsPostProcessor); event.processing.failure.handling.mode=warn leaves such changes out, errors.tolerance=all with errors.deadletterqueue.topic.name keeps them elsewhere.';

/**
 * INV-4: likewise for what the server left out.
 *
 * @throws data.required_unconvertible from what is returned
 */
export function unsent(tell: () => void, { field, column }: Place): () => never {
  return () => {
    tell();
    throw requiredValue(
      field,
      `The server did not send the value of '${column}', which the update did not change, and nothing can stand for it`,
      UNSENT_HINT,
    );
  };
}
