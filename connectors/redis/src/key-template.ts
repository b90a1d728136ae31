// Redis keys from records: a template compiled once.
import type { SinkRecord } from '@millrace/connect-api';
import {
  CONNECT_DATE,
  CONNECT_TIME,
  CONNECT_TIMESTAMP,
  javaToString,
  type Schema,
  Struct,
} from '@millrace/data';
import { MillraceError } from '@millrace/foundation';
import { badRecord } from './errors.ts';

export type KeyOf = (record: SinkRecord) => string;

/** Compiles a template. @throws config.invalid for an unknown placeholder */
export function compileKeyTemplate(template: string): KeyOf {
  const parts: KeyOf[] = [];
  const placeholder = /\$\{([^}]*)\}/g;
  let last = 0;
  for (let match = placeholder.exec(template); match; match = placeholder.exec(template)) {
    const literal = template.slice(last, match.index);
    if (literal !== '') parts.push(() => literal);
    parts.push(part(match[1] ?? '', template));
    last = match.index + match[0].length;
  }
  const tail = template.slice(last);
  if (tail !== '') parts.push(() => tail);
  return (record) => {
    let key = '';
    for (const each of parts) key += each(record);
    return key;
  };
}

function part(name: string, template: string): KeyOf {
  if (name === 'topic') return (record) => record.topic;
  if (name === 'partition') return (record) => String(record.original.partition);
  if (name === 'key') return (record) => wholeKey(record);
  if (name.startsWith('key.')) return (record) => keyField(record, name.slice(4));
  throw new MillraceError(
    'config.invalid',
    `Invalid value ${template} for configuration redis.key.template: unknown placeholder \${${name}}`,
    {
      configKey: 'redis.key.template',
      hint: 'Use ${topic}, ${partition}, ${key} or ${key.FIELD}.',
      javaClass: 'org.apache.kafka.common.config.ConfigException',
    },
  );
}

function wholeKey(record: SinkRecord): string {
  const { key, keySchema } = record;
  if (key === null)
    throw badRecord('The record has no key, and redis.key.template needs one', record.original);
  if (key instanceof Struct)
    return key.schema.fields.map((field) => text(key.at(field.index), field.schema)).join(':');
  if (key instanceof Map) return [...key.values()].map((value) => text(value, null)).join(':');
  return text(key, keySchema);
}

function keyField(record: SinkRecord, name: string): string {
  const { key } = record;
  if (key instanceof Struct) {
    const field = key.schema.field(name);
    if (field) return text(key.at(field.index), field.schema);
  } else if (key instanceof Map && key.has(name)) {
    return text(key.get(name), null);
  }
  throw badRecord(`The record's key has no field ${name}, which redis.key.template names`, record.original);
}

function text(value: unknown, schema: Schema | null): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  // Moments as the numbers they are, not as Java's texts of dates.
  return javaToString(value, typeof value === 'number' && MOMENTS.has(schema?.name ?? '') ? null : schema);
}

const MOMENTS: ReadonlySet<string> = new Set([CONNECT_DATE, CONNECT_TIME, CONNECT_TIMESTAMP]);
