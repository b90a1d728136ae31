import type { RawConfig } from '@millrace/foundation';
import { describe, expect, test } from 'vitest';
import { type PostgresConfig, resolveConfig } from './config.ts';

const resolved = (more: RawConfig): PostgresConfig =>
  resolveConfig({
    'topic.prefix': 'shop',
    'database.hostname': 'localhost',
    'database.user': 'u',
    'database.password': 'p',
    'database.dbname': 'd',
    'plugin.name': 'pgoutput',
    ...more,
  });

describe('message.key.columns', () => {
  const keyOf = (value: string, table: string, columns: readonly string[]): readonly string[] =>
    resolved({ 'message.key.columns': value }).rules.keyColumns(table, columns);

  test('are patterns over the whole name of a column, whatever its case', () => {
    expect(keyOf('public.T:ID', 'public.t', ['a', 'id'])).toEqual(['id']);
    expect(keyOf('public.t:.*_id', 'public.t', ['b_id', 'x', 'a_id'])).toEqual(['b_id', 'a_id']);
    expect(keyOf('(.*).t:x,id', 's.t', ['id', 'x'])).toEqual(['x', 'id']);
    // What stands before the colon and what follows it are one pattern.
    expect(keyOf('public.a|public.b:id', 'public.a', ['id'])).toEqual([]);
    expect(keyOf('public.a|public.b:id', 'public.b', ['id'])).toEqual(['id']);
  });

  test('name nothing where a table has none of them, and a column once', () => {
    expect(keyOf('public.t:nope', 'public.t', ['id'])).toEqual([]);
    expect(keyOf('public.t:id;public.*:id', 'public.t', ['id'])).toEqual(['id']);
  });
});

test('a SELECT of a snapshot is looked up by the name of the table, which may be quoted', () => {
  const { select } = resolved({
    'snapshot.select.statement.overrides': 'public.t, "S X"."T",public.u',
    'snapshot.select.statement.overrides.public.t': 'select 1',
    'snapshot.select.statement.overrides."S X"."T"': 'select 2',
  }).snapshot;
  expect([select('public.t'), select('S X.T'), select('public.u'), select('public.T')]).toEqual([
    'select 1',
    'select 2',
    undefined,
    undefined,
  ]);
});

test('the table of signals may be quoted', () => {
  const config = resolved({ 'signal.data.collection': ' public."Sig" ', 'table.include.list': 'public.t' });
  expect(config.signals.table).toBe('public.Sig');
  expect(config.captured({ schema: 'public', table: 'Sig' })).toBe(true);
});

test('a regex strategy names topics and keys as its settings say, with the schema or without', () => {
  const naming = (more: RawConfig): PostgresConfig['rules'] =>
    resolved({ 'topic.regex': '(.*)\\.t\\d', 'topic.replacement': '$1.all', ...more }).rules;
  const plain = naming({ 'topic.naming.strategy': 'io.debezium.schema.DefaultRegexTopicNamingStrategy' });
  const table = { schema: 's', table: 't1' };
  expect(plain.naming.dataTopic(plain.topicParts(table))).toBe('shop.all');
  expect(plain.naming.tableKeyField(plain.topicParts(table))).toEqual({
    name: '__dbz__physicalTableIdentifier',
    table: 'shop.t1',
  });
  const other = naming({
    'topic.naming.strategy': 'io.debezium.schema.SchemaRegexTopicNamingStrategy',
    'topic.key.field.name': 'of',
    'topic.key.field.regex': '.*\\.(.*)',
    'topic.key.field.replacement': '$1',
  });
  expect(other.naming.dataTopic(other.topicParts(table))).toBe('shop.s.all');
  expect(other.naming.tableKeyField(other.topicParts(table))).toEqual({ name: 'of', table: 't1' });
  const without = naming({
    'topic.naming.strategy': 'io.debezium.schema.SchemaRegexTopicNamingStrategy',
    'topic.key.enforce.uniqueness': 'false',
  });
  expect(without.naming.tableKeyField(['s', 't1'])).toBeNull();
});

test('the heartbeat topic is named by topic.heartbeat.prefix alone', () => {
  const topic = (more: RawConfig): string => resolved(more).rules.naming.heartbeatTopic;
  expect(topic({ 'heartbeat.topics.prefix': 'old' })).toBe('__debezium-heartbeat.shop');
  expect(topic({ 'heartbeat.topics.prefix': 'old', 'topic.heartbeat.prefix': 'beats' })).toBe('beats.shop');
});
