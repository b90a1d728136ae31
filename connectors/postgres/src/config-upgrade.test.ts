import { describe, expect, test } from 'vitest';
import { upgradeConfig } from './config-upgrade.ts';

describe('upgradeConfig', () => {
  test('turns a config of the 1.9 era into one of today, with a warning for each key', () => {
    const { config, warnings } = upgradeConfig({
      'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
      'database.server.name': 'shop-server',
      'table.whitelist': 'public.t',
      'snapshot.mode': 'never',
      'database.history.kafka.topic': 'h',
      'heartbeat.topics.prefix': 'beats',
      'slot.name': 's',
      transforms: 'unwrap',
      'transforms.unwrap.type': 'io.debezium.transforms.ExtractNewRecordState',
      'transforms.unwrap.drop.tombstones': 'false',
      'transforms.unwrap.delete.handling.mode': 'drop',
    });
    expect(config).toEqual({
      'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
      'topic.prefix': 'shop-server',
      'table.include.list': 'public.t',
      'snapshot.mode': 'no_data',
      'topic.heartbeat.prefix': 'beats',
      'slot.name': 's',
      'plugin.name': 'pgoutput',
      'schema.name.adjustment.mode': 'avro',
      'extended.headers.enabled': 'false',
      transforms: 'unwrap',
      'transforms.unwrap.type': 'io.debezium.transforms.ExtractNewRecordState',
      'transforms.unwrap.delete.tombstone.handling.mode': 'delete-to-tombstone',
    });
    for (const key of [
      'database.server.name',
      'table.whitelist',
      'snapshot.mode',
      'database.history.kafka.topic',
    ]) {
      expect(warnings.map((warning) => warning.key)).toContain(key);
    }
  });

  test('leaves a current config alone, old keys in it too', () => {
    const config = {
      'topic.prefix': 'p',
      'database.server.name': 'old',
      'table.whitelist': 'x',
      'heartbeat.topics.prefix': 'y',
    };
    expect(upgradeConfig(config)).toEqual({ config, warnings: [] });
  });

  test('translates old snapshot modes in any config', () => {
    expect(upgradeConfig({ 'topic.prefix': 'p', 'snapshot.mode': 'exported' }).config['snapshot.mode']).toBe(
      'initial',
    );
    expect(upgradeConfig({ 'topic.prefix': 'p', 'snapshot.mode': 'Initial' }).warnings).toEqual([]);
  });

  test('takes the default for what Debezium would not read, and says so', () => {
    const { config, warnings } = upgradeConfig({
      'topic.prefix': 'p',
      'money.fraction.digits': 'two',
      'read.only': 'perhaps',
      'skip.messages.without.change': 'TRUE',
      'event.converting.failure.handling.mode': 'perhaps',
      'errors.retry.delay.initial.ms': 'soon',
    });
    expect(config).toEqual({
      'topic.prefix': 'p',
      'skip.messages.without.change': 'TRUE',
      'event.converting.failure.handling.mode': 'fail',
    });
    expect(warnings.map(({ message }) => message)).toEqual([
      'The value of errors.retry.delay.initial.ms is not an integer: it has no effect.',
      'The value of money.fraction.digits is not an integer: the default, 2, is used.',
      'The value of read.only is not true or false: the default, false, is used.',
      'The value of event.converting.failure.handling.mode is none of warn, skip, fail: fail is used.',
    ]);
  });

  test('leaves what has to be refused: numbers of Connect, of ours, and what Debezium cannot start with', () => {
    const config = {
      'topic.cache.size': 'many',
      'errors.retry.delay.max.ms': 'late',
      'millrace.streaming.max.bytes': 'all',
      'max.batch.size': 'x',
    };
    expect(upgradeConfig(config)).toEqual({ config, warnings: [] });
  });
});
