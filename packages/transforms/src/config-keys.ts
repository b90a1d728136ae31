// Config keys that several transforms share.
import { type ConfigKey, javaRegexProblem, type Validator } from '@millrace/foundation';

/** Refuses text that is no regular expression, in Kafka's words. */
export const validRegex: Validator = (value) => {
  // As Java says it of no text at all.
  if (value === null) return `Invalid regex: Cannot invoke "String.isEmpty()" because "this.pattern" is null`;
  const problem = javaRegexProblem(String(value));
  return problem === undefined ? undefined : `Invalid regex: ${problem}`;
};

export const REPLACE_NULL_WITH_DEFAULT: ConfigKey = {
  name: 'replace.null.with.default',
  type: 'BOOLEAN',
  default: true,
  importance: 'MEDIUM',
  doc: 'Whether to replace fields that have a default value and that are null to the default value. When set to true, the default value is used, otherwise null is used.',
};

/** A value out of a list whose case does not count, in Kafka's words. */
export function oneOfAnyCase(...allowed: readonly string[]): Validator {
  return (value) =>
    allowed.some((each) => each.toLowerCase() === String(value).toLowerCase())
      ? undefined
      : `String must be one of (case insensitive): ${allowed.join(', ')}`;
}

export const FIELD_SYNTAX_VERSION: ConfigKey = {
  name: 'field.syntax.version',
  type: 'STRING',
  default: 'V1',
  importance: 'HIGH',
  doc: 'Defines the version of the syntax to access fields. If set to V1, then the field paths are limited to access the elements at the root level of the struct or map. If set to V2, the syntax will support accessing nested elements.',
  validator: oneOfAnyCase('V1', 'V2'),
};

/** Refuses an empty list, in the words of Connect's transforms. */
export const nonEmptyList: Validator = (value) =>
  value === null || (Array.isArray(value) && value.length === 0) ? 'Empty list' : undefined;
