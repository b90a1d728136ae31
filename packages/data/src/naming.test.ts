import { javaRewrite } from '@millrace/foundation';
import { describe, expect, test } from 'vitest';
import { adjustSchemaName, type TopicNamingOptions, topicNaming } from './naming.ts';

const options = (more: Partial<TopicNamingOptions>): TopicNamingOptions => ({
  strategy: 'io.debezium.schema.SchemaTopicNamingStrategy',
  prefix: 'shop',
  delimiter: '.',
  heartbeatPrefix: '__debezium-heartbeat',
  transactionTopic: 'transaction',
  ...more,
});

describe('topic names', () => {
  test('follow prefix, schema and table, with what Kafka does not take replaced', () => {
    const naming = topicNaming(options({}));
    expect(naming.dataTopic(['My Schema', 'Order-Items'])).toBe('shop.My_Schema.Order-Items');
    expect(naming.heartbeatTopic).toBe('__debezium-heartbeat.shop');
    expect(naming.transactionTopic).toBe('shop.transaction');
    expect(naming.tableKeyField(['t'])).toBeNull();
  });

  test('use the delimiter everywhere', () => {
    const naming = topicNaming(options({ delimiter: '-' }));
    expect([naming.dataTopic(['public', 't']), naming.heartbeatTopic, naming.transactionTopic]).toEqual([
      'shop-public-t',
      '__debezium-heartbeat-shop',
      'shop-transaction',
    ]);
  });

  const merging = { topic: javaRewrite('(.*)\\.t_(\\d+)', '$1.t'), keyField: undefined };
  const same = (): undefined => undefined;

  test('merge tables by a regular expression, whose keys then tell the tables apart', () => {
    const naming = topicNaming(options({ merging: { ...merging, keyField: { name: 'of', rewrite: same } } }));
    expect(naming.dataTopic(['t_2'])).toBe('shop.t');
    expect(naming.dataTopic(['t_x'])).toBe('shop.t_x');
    expect(naming.tableKeyField(['t_2'])).toEqual({ name: 'of', table: 'shop.t_2' });
  });

  test('may take the table of a key out of its name, or leave it out', () => {
    const rewrite = javaRewrite('.*_(\\d+)', 'no. $1');
    const naming = topicNaming(options({ merging: { ...merging, keyField: { name: 'of', rewrite } } }));
    expect(naming.tableKeyField(['t_2'])).toEqual({ name: 'of', table: 'no. 2' });
    expect(naming.tableKeyField(['u'])).toEqual({ name: 'of', table: 'shop.u' });
    expect(topicNaming(options({ merging })).tableKeyField(['t_2'])).toBeNull();
  });

  test('look for the pattern in what Kafka takes, and keep a name that nothing would be left of', () => {
    const named = (regex: string, replacement: string): string =>
      topicNaming(options({ merging: { ...merging, topic: javaRewrite(regex, replacement) } })).dataTopic([
        'a b',
      ]);
    expect(named('shop\\.a_b', 'all of $0')).toBe('all of shop.a_b');
    expect(named('shop\\.a b', 'x')).toBe('shop.a_b');
    expect(named('(shop\\.a_b)', '')).toBe('shop.a_b');
  });

  test('the Unicode strategy spells characters out, the underscore too', () => {
    const naming = topicNaming(options({ strategy: 'io.debezium.schema.SchemaUnicodeTopicNamingStrategy' }));
    expect(naming.dataTopic(['public', 'a_b'])).toBe('shop.public.a_u005fb');
    expect(naming.dataTopic(['public', 'a\tł中'])).toBe('shop.public.a_u009_u142_u4e2d');
  });

  test('the Unicode strategy leaves the topics of heartbeats and transactions as they are', () => {
    const strategy = 'io.debezium.schema.SchemaUnicodeTopicNamingStrategy';
    const naming = topicNaming(options({ strategy, prefix: 'my_shop' }));
    expect(naming.dataTopic(['public', 'a'])).toBe('my_u005fshop.public.a');
    expect(naming.heartbeatTopic).toBe('__debezium-heartbeat.my_shop');
    expect(naming.transactionTopic).toBe('my_shop.transaction');
  });

  test('schema names are made valid for Avro as Debezium does: of digits only the first of all is changed', () => {
    expect(adjustSchemaName('1shop-1.public.1st', 'avro')).toBe('_1shop_1.public.1st');
    expect(adjustSchemaName('shop.a_b.1st', 'avro_unicode')).toBe('shop.a_u005fb.1st');
    expect(adjustSchemaName('shop.ł', 'avro_unicode')).toBe('shop._u142');
  });
});
