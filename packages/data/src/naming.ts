// Names of topics and schemas: what Debezium makes of database names.
import type { Rewrite } from '@millrace/foundation';

/** Replaces what a topic name may not hold by `_` and cuts it at Kafka's limit of 249. */
export function sanitizeTopicName(name: string): string {
  if (name === '.' || name === '..') return name.replaceAll('.', '_');
  return name.replaceAll(/[^a-zA-Z0-9._-]/g, '_').slice(0, 249);
}

/** `schema.name.adjustment.mode`. */
export type NameAdjustmentMode = 'none' | 'avro' | 'avro_unicode';

/** Makes a dotted schema name valid in the given mode. As from Debezium, a later part may begin with a digit. */
export function adjustSchemaName(name: string, mode: NameAdjustmentMode): string {
  return adjusted(name, mode, '.');
}

/** Makes one name (a field) valid in the given mode. */
export function adjustNamePart(part: string, mode: NameAdjustmentMode): string {
  return adjusted(part, mode, '');
}

/** `also`: what may stand beside letters, digits and, but in the Unicode mode, underscores. */
function adjusted(name: string, mode: NameAdjustmentMode, also: string): string {
  if (mode === 'none') return name;
  let result = '';
  for (let i = 0; i < name.length; i++) {
    const char = name.charAt(i);
    const letter = /[A-Za-z]/.test(char) || (char === '_' && mode === 'avro') || char === also;
    const digit = /\d/.test(char);
    if (letter || (digit && i > 0)) result += char;
    else if (mode === 'avro') result += digit ? `_${char}` : '_';
    else result += escaped(char);
  }
  return result;
}

/** What the regex strategies do: tables of one topic, and the field of their keys that keeps them apart. */
export interface TopicMerging {
  /** `topic.regex` and `topic.replacement`. */
  readonly topic: Rewrite;
  /** `topic.key.field.*`; undefined = `topic.key.enforce.uniqueness` is false. */
  readonly keyField: { readonly name: string; readonly rewrite: Rewrite } | undefined;
}

/** How topics are named: `topic.naming.strategy` and the keys around it. */
export interface TopicNamingOptions {
  /** Class name of the strategy. */
  readonly strategy: string;
  readonly prefix: string;
  readonly delimiter: string;
  /** Of the regex strategies. */
  readonly merging?: TopicMerging | undefined;
  readonly heartbeatPrefix: string;
  readonly heartbeatName?: string | undefined;
  readonly transactionTopic: string;
}

/** A last field of keys, the same in all rows of a table. */
export interface TableKeyField {
  readonly name: string;
  readonly table: string;
}

/** Topic names of one connector. */
export interface TopicNaming {
  /** The topic of a table; `parts` from the outside in, such as schema and table. */
  dataTopic(parts: readonly string[]): string;
  /** What keeps apart the keys of tables that one topic holds, when the strategy can merge tables; else null. */
  tableKeyField(parts: readonly string[]): TableKeyField | null;
  readonly heartbeatTopic: string;
  readonly transactionTopic: string;
}

/** Replaces what a topic name may not hold, `_` included, by `_uXXXX`: the Unicode strategies. */
function unicodeTopicName(name: string): string {
  return name.replaceAll(/[^a-zA-Z0-9.-]/g, escaped);
}

/** As Debezium spells a character that is not allowed: two zeros before one or two digits, none before three. */
function escaped(char: string): string {
  const hex = char.charCodeAt(0).toString(16);
  return `_u${hex.length <= 2 ? '00' : ''}${hex}`;
}

/** The naming that a config asks for. */
export function topicNaming(options: TopicNamingOptions): TopicNaming {
  const { prefix, delimiter } = options;
  const unicode = options.strategy.includes('Unicode');
  const clean = (name: string): string => sanitizeTopicName(unicode ? unicodeTopicName(name) : name);
  const { merging } = options;
  const full = (parts: readonly string[]): string => [prefix, ...parts].join(delimiter);
  return {
    dataTopic(parts) {
      const name = clean(full(parts));
      return merging === undefined ? name : merging.topic(name) || name;
    },
    tableKeyField(parts) {
      const field = merging?.keyField;
      if (field === undefined) return null;
      const name = full(parts);
      return { name: field.name, table: field.rewrite(name) ?? name };
    },
    // as they are: only names of tables hold what a topic may not
    heartbeatTopic: options.heartbeatName ?? [options.heartbeatPrefix, prefix].join(delimiter),
    transactionTopic: [prefix, options.transactionTopic].join(delimiter),
  };
}
