// post.processors: what is done to events before they leave the connector. There is one: reading anew the columns that
// the database left out of a change, or that are null.
import { MillraceError, type RawConfig } from '@millrace/foundation';
import { matchesAny } from './name-filter.ts';
import { splitList } from './name-list.ts';

const RESELECT_CLASS = 'io.debezium.processors.reselect.ReselectColumnsPostProcessor';

/** Which columns of an event are read anew, and what becomes of it when that fails. */
export interface ReselectRules {
  /** Values that the database left out because they did not change. */
  readonly unavailable: boolean;
  readonly nulls: boolean;
  /** Find rows by the event's key instead of the table's. */
  readonly byEventKey: boolean;
  /** A row that is gone and a query that fails end the task; else they are logged. */
  readonly failsOnError: boolean;
  /** Whether a column named `schema.table:column` is read anew. */
  readonly selects: (column: string) => boolean;
}

/** Whether a key configures a post processor: `NAME.type`, `NAME.reselect...`. */
export function isPostProcessorKey(key: string): boolean {
  return /^[^.]+\.(?:type|reselect\.[a-z.]+)$/.test(key);
}

/** What is wrong with the post processors of a config, if something is. */
export function postProcessorProblem(config: RawConfig): string | undefined {
  const names = splitList(config['post.processors']);
  for (const name of names) {
    const type = config[`${name}.type`] ?? undefined;
    if (type !== RESELECT_CLASS) {
      return `${name}.type is ${type === undefined ? 'not set' : type}, and the only post processor there is is ${RESELECT_CLASS}`;
    }
    const mode = config[`${name}.reselect.error.handling.mode`]?.trim().toLowerCase();
    if (mode !== undefined && mode !== 'warn' && mode !== 'fail') {
      return `${name}.reselect.error.handling.mode is ${mode}; it must be warn or fail`;
    }
  }
  return names.length > 1 ? 'only one post processor can be used' : undefined;
}

/** The rules of the config's post processor; undefined when it has none. @throws config.invalid, config.regex_invalid */
export function reselectRules(config: RawConfig): ReselectRules | undefined {
  const problem = postProcessorProblem(config);
  if (problem !== undefined) {
    throw new MillraceError('config.invalid', `The 'post.processors' value is invalid: ${problem}`, {
      configKey: 'post.processors',
    });
  }
  const [name] = splitList(config['post.processors']);
  if (name === undefined) return undefined;
  const text = (key: string): string | undefined => config[`${name}.reselect.${key}`]?.trim() || undefined;
  const isTrue = (key: string, otherwise: boolean): boolean =>
    (text(key) ?? String(otherwise)).toLowerCase() === 'true';
  return {
    unavailable: isTrue('unavailable.values', true),
    nulls: isTrue('null.values', true),
    byEventKey: isTrue('use.event.key', false),
    failsOnError: text('error.handling.mode')?.toLowerCase() === 'fail',
    selects: selection(text('columns.include.list'), text('columns.exclude.list')),
  };
}

/** The include list alone decides when there is one. */
function selection(include: string | undefined, exclude: string | undefined): ReselectRules['selects'] {
  if (include !== undefined) return matchesAny(include);
  if (exclude === undefined) return () => true;
  const refused = matchesAny(exclude);
  return (column) => !refused(column);
}
