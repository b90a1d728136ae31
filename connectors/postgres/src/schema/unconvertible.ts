// Values that their fields cannot hold (a NaN in exact decimals, a sparse vector of too many dimensions): what
// event.converting.failure.handling.mode says about them.
import type { StreamCounts } from '@millrace/connector-common';
import { unconvertible } from '@millrace/data';
import type { Logger } from '@millrace/foundation';

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
      `Failed to properly convert data value for '${column}' of type ${type}: null is delivered`,
    );
  };
}
