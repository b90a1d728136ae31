// Config keys as Debezium's transforms define them, and the checks they share.
import type { ConfigKey, Validator } from '@millrace/foundation';

/** A key with Debezium's usual group order; optional text unless said otherwise. */
export function debeziumKey(
  name: string,
  displayName: string,
  doc: string,
  rest: Partial<ConfigKey> = {},
): ConfigKey {
  return {
    name,
    type: 'STRING',
    default: null,
    importance: 'HIGH',
    width: 'NONE',
    displayName,
    doc,
    orderInGroup: 1,
    ...rest,
  };
}

/** Refuses an absent or blank value, in Debezium's words. */
export const requiredValue: Validator = (value) =>
  value === null ||
  (typeof value === 'string' && value.trim() === '') ||
  (Array.isArray(value) && value.length === 0)
    ? 'A value is required'
    : undefined;

/** Refuses what is not in the list; case does not count. */
export function oneOfValues(...allowed: readonly string[]): Validator {
  return (value) =>
    value === null || allowed.includes(String(value).toLowerCase())
      ? undefined
      : `Value must be one of ${allowed.join(', ')}`;
}

export const DEBEZIUM_EXCEPTION = 'io.debezium.DebeziumException';
