import { parseProperties } from '@millrace/foundation';
import { expect, test } from 'vitest';
import { BrokerConfig } from './metadata/broker-config.ts';
import { applyAlterations } from './metadata/config-resources.ts';
import { checkTopicConfigs } from './metadata/create-topic.ts';
import { logConfigOf } from './metadata/topic-config.ts';
import { listenersOf } from './server-properties.ts';

function configOf(text: string): BrokerConfig {
  return BrokerConfig.parse(parseProperties(text)).config;
}

test('A server.properties of a KRaft broker is taken, without its controller', () => {
  const config = configOf(`
    process.roles=broker,controller
    controller.quorum.voters=1@127.0.0.1:9093
    controller.listener.names=CONTROLLER
    listener.security.protocol.map=PLAINTEXT:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT
    listeners=PLAINTEXT://127.0.0.1:9092,OUTSIDE://[::1]:9192,CONTROLLER://127.0.0.1:9093
    advertised.listeners=OUTSIDE://example.org:443
  `);
  expect(listenersOf(config)).toEqual([
    {
      name: 'PLAINTEXT',
      protocol: 'PLAINTEXT',
      bind: { host: '127.0.0.1', port: 9092 },
      advertised: undefined,
    },
    {
      name: 'OUTSIDE',
      protocol: 'PLAINTEXT',
      bind: { host: '::1', port: 9192 },
      advertised: { host: 'example.org', port: 443 },
    },
  ]);
});

test('Without a listeners key the broker binds to this machine only', () => {
  expect(listenersOf(configOf(''))[0]?.bind).toEqual({ host: '127.0.0.1', port: 9092 });
});

test('Listeners that cannot be served are refused by name', () => {
  expect(() => listenersOf(configOf('listeners=INSIDE://:9093'))).toThrow(
    'add INSIDE:PROTOCOL to listener.security.protocol.map',
  );
  expect(() =>
    listenersOf(configOf('listeners=A://:9093\nlistener.security.protocol.map=A:KERBEROS')),
  ).toThrow('Listener A wants KERBEROS');
  expect(() => listenersOf(configOf('listeners=PLAINTEXT://:9093,SSL://:9093'))).toThrow('a different port');
  expect(() => listenersOf(configOf('listener.name.outside.ssl.client.auth=required'))).toThrow(
    'no listener OUTSIDE',
  );
  expect(() => listenersOf(configOf('listeners=nonsense'))).toThrow('expected NAME://host:port');
});

test('Unknown keys are warned about with the nearest known one', () => {
  const { warnings, unused } = BrokerConfig.parse({
    'num.partition': '3',
    'super.user': 'User:a',
    'listener.name.internal.ssl.keystore.locatio': 'x',
    'listener.name.internal.ssl.keystore.location': 'x',
    'listener.name.internal.plain.sasl.jaas.config': 'x',
    'confluent.telemetry': 'x',
    'process.roles': 'broker',
    'controller.quorum.voters': '1@localhost:9093',
    'metadata.log.dir': '/tmp/metadata',
  });
  expect(warnings).toEqual([
    'num.partition is not a key of the broker and has no effect. Did you mean num.partitions?',
    'super.user is not a key of the broker and has no effect. Did you mean super.users?',
    'listener.name.internal.ssl.keystore.locatio is not a key of the broker and has no effect. Did you mean listener.name.internal.ssl.keystore.location?',
  ]);
  expect(unused).toEqual(['process.roles', 'controller.quorum.voters', 'metadata.log.dir']);
});

test('Topic settings fall back to the most exact broker key that is set', () => {
  const broker = configOf('log.roll.hours=1\nlog.segment.bytes=2097152\nmillrace.log.flush.policy=os');
  expect(logConfigOf({}, broker, false)).toMatchObject({
    segmentMs: 3_600_000,
    segmentBytes: 2_097_152,
    flushPolicy: 'os',
  });
  expect(logConfigOf({ 'segment.ms': '5', 'flush.messages': '1' }, broker, false)).toMatchObject({
    segmentMs: 5,
    flushPolicy: 'always',
  });
});

test('INV-1: internal topics are synced under acks=all whatever the broker is told', () => {
  const broker = configOf('millrace.log.flush.policy=os');
  expect(logConfigOf({}, broker, true).flushPolicy).toBe('acks-all');
});

test('Retention and cleaning follow the topic, then what was set at run time, then the file', () => {
  const broker = configOf('log.retention.hours=1\nlog.cleanup.policy=compact');
  expect(logConfigOf({}, broker, false)).toMatchObject({
    compacted: true,
    deletes: false,
    retentionMs: 3_600_000,
  });
  broker.setDynamic('log.retention.ms', '5000');
  expect(logConfigOf({}, broker, false)).toMatchObject({ retentionMs: 5000 });
  const overrides = {
    'cleanup.policy': 'compact, delete',
    'retention.ms': '-1',
    'max.compaction.lag.ms': '7',
  };
  // A record can only be cleaned in time when its segment rolls by then.
  expect(logConfigOf(overrides, broker, false)).toMatchObject({
    compacted: true,
    deletes: true,
    retentionMs: -1,
    segmentMs: 7,
  });
});

test('A topic may be more or less careful than the broker', () => {
  const broker = configOf('');
  expect(logConfigOf({ 'millrace.log.flush.policy': 'os' }, broker, false).flushPolicy).toBe('os');
  expect(logConfigOf({ 'millrace.log.flush.policy': 'os' }, broker, true).flushPolicy).toBe('acks-all');
});

test('Settings of a topic that contradict each other are refused, also when they come one after the other', () => {
  const min = { name: 'min.compaction.lag.ms', value: '10' };
  const max = { name: 'max.compaction.lag.ms', value: '9' };
  expect(() => checkTopicConfigs([min, max])).toThrow(
    'min.compaction.lag.ms (10) > max.compaction.lag.ms (9)',
  );
  const present = checkTopicConfigs([min]);
  expect(() => applyAlterations(present, [{ ...max, operation: 0 }])).toThrow('conflict');
});
