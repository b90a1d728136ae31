// Names of topics and schemas: what Debezium makes of database names.

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
    else result += `_u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  }
  return result;
}

/** How topics are named: `topic.naming.strategy` and the keys around it. */
export interface TopicNamingOptions {
  /** Class name of the strategy. */
  readonly strategy: string;
  readonly prefix: string;
  readonly delimiter: string;
  /** `topic.regex` and `topic.replacement` of the regex strategy. */
  readonly regex?: RegExp | undefined;
  readonly replacement?: string | undefined;
  readonly heartbeatPrefix: string;
  readonly heartbeatName?: string | undefined;
  readonly transactionTopic: string;
}

/** Topic names of one connector. */
export interface TopicNaming {
  /** The topic of a table; `parts` from the outside in, such as schema and table. */
  dataTopic(parts: readonly string[]): string;
  /** What keeps apart the keys of tables that one topic holds, when the strategy can merge tables; else null. */
  physicalTable(parts: readonly string[]): string | null;
  readonly heartbeatTopic: string;
  readonly transactionTopic: string;
  /** A topic below the prefix that no table has, such as that of logical messages. */
  ownTopic(name: string): string;
}

/** Replaces what a topic name may not hold, `_` included, by `_uXXXX`: the Unicode strategies. */
function unicodeTopicName(name: string): string {
  return name.replaceAll(
    /[^a-zA-Z0-9.-]/g,
    (char) => `_u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The naming that a config asks for. A class we do not know names topics as the default does. */
export function topicNaming(options: TopicNamingOptions): TopicNaming {
  const { prefix, delimiter } = options;
  const unicode = options.strategy.includes('Unicode');
  const clean = (name: string): string => sanitizeTopicName(unicode ? unicodeTopicName(name) : name);
  const simple = options.strategy.slice(options.strategy.lastIndexOf('.') + 1);
  const regex = simple === 'DefaultRegexTopicNamingStrategy' ? options.regex : undefined;
  return {
    dataTopic(parts) {
      const name = [prefix, ...parts].join(delimiter);
      if (regex === undefined || options.replacement === undefined) return clean(name);
      const match = regex.exec(name);
      return clean(match?.[0] === name ? name.replace(regex, options.replacement) : name);
    },
    physicalTable: (parts) => (regex === undefined ? null : [prefix, ...parts].join(delimiter)),
    heartbeatTopic: clean(options.heartbeatName ?? [options.heartbeatPrefix, prefix].join(delimiter)),
    transactionTopic: clean([prefix, options.transactionTopic].join(delimiter)),
    ownTopic: (name) => clean([prefix, name].join(delimiter)),
  };
}
