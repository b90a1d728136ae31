// Worker files as users have them: what Kafka ships, and what has gathered in files over the years.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startMillrace } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './testing/broker-process.ts';

const JSON_CONVERTER = 'org.apache.kafka.connect.json.JsonConverter';
/** What stands in connect-distributed.properties of Kafka 4.3, but for the address of the brokers. */
const DISTRIBUTED = {
  'group.id': 'connect-cluster',
  'key.converter': JSON_CONVERTER,
  'value.converter': JSON_CONVERTER,
  'key.converter.schemas.enable': 'true',
  'value.converter.schemas.enable': 'true',
  'offset.storage.topic': 'connect-offsets',
  'offset.storage.replication.factor': '1',
  'config.storage.topic': 'connect-configs',
  'config.storage.replication.factor': '1',
  'status.storage.topic': 'connect-status',
  'status.storage.replication.factor': '1',
  'offset.flush.interval.ms': '10000',
};

let broker: BrokerProcess;
const folder = mkdtempSync(path.join(tmpdir(), 'millrace-files-'));
beforeAll(async () => {
  broker = await startBrokerProcess();
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** What a worker warns about, and an answer that shows that it works. */
async function started(
  properties: Readonly<Record<string, string>>,
  standalone?: readonly string[],
): Promise<string[]> {
  await using worker = await startMillrace({
    bootstrapServers: broker.kafka,
    properties,
    ...(standalone ? { standalone } : {}),
  });
  expect((await worker.request('GET', '/connectors')).body).toEqual([]);
  const lines = worker.logs.split('\n').filter((line) => line.startsWith('{'));
  const logs = lines.map((line) => JSON.parse(line) as { level: number; msg: string });
  return logs.filter(({ level }) => level >= 40).map(({ msg }) => msg);
}

describe('a worker starts without a word of warning', { timeout: 60_000 }, () => {
  test('on connect-distributed.properties', async () => {
    expect(await started(DISTRIBUTED)).toEqual([]);
  });

  test('on connect-standalone.properties', async () => {
    const { 'offset.flush.interval.ms': interval } = DISTRIBUTED;
    const file = {
      'key.converter': JSON_CONVERTER,
      'value.converter': JSON_CONVERTER,
      'key.converter.schemas.enable': 'true',
      'value.converter.schemas.enable': 'true',
      'offset.storage.file.filename': path.join(folder, 'connect.offsets'),
      'offset.flush.interval.ms': interval,
    };
    expect(await started(file, [])).toEqual([]);
  });

  test('on settings of clients and monitoring that have nothing to say here', async () => {
    const more = {
      'client.dns.lookup': 'use_all_dns_ips',
      'retry.backoff.ms': '100',
      'metric.reporters': 'com.example.Reporter',
      'plugin.path': folder,
      'plugin.discovery': 'service_load',
      'worker.sync.timeout.ms': '3000',
      'producer.compression.type': 'zstd',
      'internal.key.converter': JSON_CONVERTER,
      'internal.value.converter.schemas.enable': 'false',
    };
    expect(await started({ ...DISTRIBUTED, ...more })).toEqual([]);
  });
});

test('old keys are taken or told of, and unknown ones with the nearest there is', {
  timeout: 60_000,
}, async () => {
  const warnings = await started({
    ...DISTRIBUTED,
    'rest.port': '8083',
    'rest.host.name': 'localhost',
    'offset.storage.file.filename': '/tmp/connect.offsets',
    'topic.creaton.enable': 'true',
    'rest.advertized.port': '8083',
  });
  expect(warnings.sort()).toEqual([
    'offset.storage.file.filename has no effect for a worker of a group, which keeps offsets in a topic',
    'rest.advertized.port is not a key of this config and has no effect. Did you mean rest.advertised.port?',
    'rest.host.name is an old name; use listeners instead.',
    'rest.port is an old name; use listeners instead.',
    'topic.creaton.enable is not a key of this config and has no effect. Did you mean topic.creation.enable?',
  ]);
});
