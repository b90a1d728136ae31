// The naming styles of Debezium's JDBC transforms.
import type { ConfigKey } from '@millrace/foundation';
import { MillraceError } from '@millrace/foundation';
import { DEBEZIUM_EXCEPTION } from './debezium-keys.ts';

const STYLES: Readonly<Record<string, (name: string) => string>> = {
  snake_case: (name) =>
    name
      .replaceAll(/([a-z])([A-Z0-9])/g, '$1_$2')
      .replaceAll(/[\s.]+/g, '_')
      .toLowerCase(),
  camel_case: (name) =>
    name
      .toLowerCase()
      .replaceAll(/[._\s]+([^._\s])?/g, (_all, next: string | undefined) => (next ?? '').toUpperCase()),
  upper_case: (name) => name.toUpperCase(),
  lower_case: (name) => name.toLowerCase(),
  default: (name) => name,
};

/** What renames: the style, then prefix and suffix around it. @throws config.invalid for an unknown style */
export function namer(
  style: string,
  prefix: string,
  suffix: string,
  configKey: string,
): (name: string) => string {
  const apply = STYLES[style.toLowerCase()];
  if (!apply) {
    throw new MillraceError(
      'config.invalid',
      `Invalid naming style: ${style}. Allowed styles are: SNAKE_CASE, CAMEL_CASE, UPPER_CASE, LOWER_CASE, DEFAULT`,
      { javaClass: DEBEZIUM_EXCEPTION, configKey },
    );
  }
  return (name) => prefix + apply(name) + suffix;
}

/** One of the three keys of both transforms. */
export function namingKey(
  prefix: 'collection' | 'column',
  part: 'prefix' | 'suffix' | 'style',
  rest: Partial<ConfigKey>,
): ConfigKey {
  return {
    name: `${prefix}.naming.${part}`,
    type: 'STRING',
    default: part === 'style' ? 'default' : '',
    importance: 'LOW',
    doc:
      part === 'style'
        ? 'The style of the names: snake_case, camel_case, upper_case, lower_case or default.'
        : `A ${part} for each name.`,
    ...rest,
  };
}
