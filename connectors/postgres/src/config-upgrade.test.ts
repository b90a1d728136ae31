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
    const config = { 'topic.prefix': 'p', 'database.server.name': 'old', 'table.whitelist': 'x' };
    expect(upgradeConfig(config)).toEqual({ config, warnings: [] });
  });

  test('translates old snapshot modes in any config', () => {
    expect(upgradeConfig({ 'topic.prefix': 'p', 'snapshot.mode': 'exported' }).config['snapshot.mode']).toBe(
      'initial',
    );
    expect(upgradeConfig({ 'topic.prefix': 'p', 'snapshot.mode': 'Initial' }).warnings).toEqual([]);
  });
});
