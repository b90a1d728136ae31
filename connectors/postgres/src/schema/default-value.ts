// Column defaults: the expression the server prints to the value a schema shows. Literals are decoded as the column's
// own values are; what a function yields is not known, so the type's zero stands for it.
import type { ColumnMapping } from './mapping.ts';

/** Types whose defaults schemas never show, as with Debezium. */
const WITHOUT_DEFAULT: ReadonlySet<string> = new Set([
  'bytea',
  'money',
  'inet',
  'cidr',
  'macaddr',
  'macaddr8',
  'hstore',
  'point',
  'tsvector',
  'ltree',
  'citext',
  'xml',
]);

const LITERAL = /^'((?:[^']|'')*)'(?:::[\w\s"().,[\]]+)?$/;
const CAST_NUMBER = /^\(?'?(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)'?\)?(?:::[\w\s"().,]+)?$/;
const BOOLEAN = /^(true|false)$/;
const NULL = /^NULL(?:::.*)?$/;

/** The schema's default; undefined when it has none. */
export function defaultValueOf(
  expression: string | null,
  typeName: string,
  isArray: boolean,
  mapping: ColumnMapping,
): unknown {
  if (expression === null || isArray || WITHOUT_DEFAULT.has(typeName) || NULL.test(expression))
    return undefined;
  if (mapping.schema.type === 'struct') return undefined;
  const text = literalText(expression);
  const value = text === undefined ? mapping.zero : decoded(text, mapping);
  return value === null ? undefined : value;
}

function literalText(expression: string): string | undefined {
  const literal = LITERAL.exec(expression);
  if (literal?.[1] !== undefined) return literal[1].replaceAll("''", "'");
  const number = CAST_NUMBER.exec(expression);
  if (number?.[1] !== undefined) return number[1];
  const truth = BOOLEAN.exec(expression);
  return truth?.[1]?.charAt(0);
}

function decoded(text: string, mapping: ColumnMapping): unknown {
  try {
    const bytes = Buffer.from(mapping.storedDefault?.(text) ?? text);
    return mapping.decode(bytes, 0, bytes.length) ?? undefined;
  } catch {
    return undefined;
  }
}
