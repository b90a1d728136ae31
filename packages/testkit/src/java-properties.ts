// The settings files of real Kafka and Kafka Connect, each on its own.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export type Properties = Readonly<Record<string, string>>;

/** A Kafka of one node, whose partitions are in `log` of `folder`. */
export function kafkaProperties(folder: string, port: number, controllerPort: number): Properties {
  return {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'log.dirs': path.join(folder, 'log'),
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
  };
}

/** A Connect worker with JSON converters without schemas. */
export function connectProperties(bootstrapServers: string, rest: string, plugins: string): Properties {
  const json = 'org.apache.kafka.connect.json.JsonConverter';
  return {
    'bootstrap.servers': bootstrapServers,
    'group.id': 'connect-cluster',
    'key.converter': json,
    'value.converter': json,
    'key.converter.schemas.enable': 'false',
    'value.converter.schemas.enable': 'false',
    'offset.storage.topic': 'connect-offsets',
    'config.storage.topic': 'connect-configs',
    'status.storage.topic': 'connect-status',
    'offset.storage.replication.factor': '1',
    'config.storage.replication.factor': '1',
    'status.storage.replication.factor': '1',
    listeners: rest,
    'plugin.path': plugins,
  };
}

/** Writes them to a file of `folder`, which is made; returns its path. */
export function writeProperties(folder: string, name: string, properties: Properties): string {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, name);
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${value}\n`);
  writeFileSync(file, lines.join(''));
  return file;
}
