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
    expect(naming.ownTopic('message')).toBe('shop.message');
    expect(naming.physicalTable(['t'])).toBeNull();
  });

  test('use the delimiter everywhere', () => {
    const naming = topicNaming(options({ delimiter: '-' }));
    expect([naming.dataTopic(['public', 't']), naming.heartbeatTopic, naming.transactionTopic]).toEqual([
      'shop-public-t',
      '__debezium-heartbeat-shop',
      'shop-transaction',
    ]);
  });

  test('merge tables by a regular expression, whose keys then tell the tables apart', () => {
    const naming = topicNaming(
      options({
        strategy: 'io.debezium.schema.DefaultRegexTopicNamingStrategy',
        regex: /(.*)\.t_(\d+)/,
        replacement: '$1.t',
      }),
    );
    expect(naming.dataTopic(['t_2'])).toBe('shop.t');
    expect(naming.physicalTable(['t_2'])).toBe('shop.t_2');
  });

  test('the Unicode strategy spells characters out, the underscore too', () => {
    const naming = topicNaming(options({ strategy: 'io.debezium.schema.SchemaUnicodeTopicNamingStrategy' }));
    expect(naming.dataTopic(['public', 'a_b'])).toBe('shop.public.a_u005fb');
  });

  test('schema names are made valid for Avro as Debezium does: of digits only the first of all is changed', () => {
    expect(adjustSchemaName('1shop-1.public.1st', 'avro')).toBe('_1shop_1.public.1st');
    expect(adjustSchemaName('shop.a_b.1st', 'avro_unicode')).toBe('shop.a_u005fb.1st');
  });
});
