// Clients of a secured broker: our own, over every protocol and with everything that can be wrong, and librdkafka.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type BrokerHandle, startBroker } from '@millrace/broker';
import { silentLogger, systemClock } from '@millrace/foundation';
import {
  BatchProducer,
  Cluster,
  Connection,
  clientSecurity,
  Fetcher,
  GroupConsumer,
  listOffsets,
} from '@millrace/kafka-client';
import { API } from '@millrace/kafka-protocol';
import { pythonWith, runCommand, runMillrace } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificate, jaas, saslClient, securedBroker } from './testing/secured.ts';

const LISTENERS =
  'PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0,SASL_PLAINTEXT://127.0.0.1:0,SASL_SSL://127.0.0.1:0';
const TRUST = { 'ssl.truststore.location': certificate('ca.pem') };
const PARTS = { clientId: 'secured', logger: silentLogger, clock: systemClock } as const;

let folder: string;
let broker: BrokerHandle;
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'millrace-secured-'));
  broker = await startBroker({
    dataDirectory: folder,
    properties: {
      ...securedBroker(LISTENERS),
      'super.users': 'User:admin;User:ANONYMOUS;User:CN=alice,OU=Kitchen\\, second,O=Millrace,C=DE',
      'listener.name.ssl.ssl.client.auth': 'requested',
      'listener.name.sasl_plaintext.connections.max.reauth.ms': '2000',
    },
  });
});
afterAll(async () => {
  await broker.close();
  rmSync(folder, { recursive: true, force: true });
});

function portOf(protocol: string): number {
  return broker.listeners.find((listener) => listener.protocol === protocol)?.port ?? 0;
}

function clusterFor(
  settings: Record<string, string>,
  host = '127.0.0.1',
  defaultApiTimeoutMs = 60_000,
): Cluster {
  const port = portOf(settings['security.protocol'] ?? 'PLAINTEXT');
  const security = clientSecurity(settings);
  return new Cluster({ ...PARTS, ...security, bootstrapServers: `${host}:${port}`, defaultApiTimeoutMs });
}

/** A member of the group named like its topic; `fatal` resolves with what ended it. */
function consumerOf(cluster: Cluster, topic: string): { consumer: GroupConsumer; fatal: Promise<Error> } {
  let report: (error: Error) => void = () => undefined;
  const fatal = new Promise<Error>((resolve) => {
    report = resolve;
  });
  const consumer = new GroupConsumer({
    ...PARTS,
    cluster,
    groupId: topic,
    topics: [topic],
    startAt: 'earliest',
    onAssigned: () => undefined,
    onRevoked: () => undefined,
    onLost: () => undefined,
    onFatal: (error) => report(error),
  });
  return { consumer, fatal };
}

describe('our client', () => {
  const settings: [string, Record<string, string>][] = [
    ['plain', {}],
    ['TLS', { 'security.protocol': 'SSL', ...TRUST }],
    [
      'TLS with a certificate whose key is encrypted',
      {
        'security.protocol': 'SSL',
        ...TRUST,
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.location': certificate('alice-encrypted.pem'),
        'ssl.key.password': 'key-secret',
      },
    ],
    ...(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const).flatMap((mechanism) =>
      (['SASL_PLAINTEXT', 'SASL_SSL'] as const).map((protocol): [string, Record<string, string>] => [
        `${mechanism} over ${protocol}`,
        saslClient(protocol, mechanism),
      ]),
    ),
  ];
  for (const [name, client] of settings) {
    it(`writes, reads and commits: ${name}`, async () => {
      const topic = `t-${name.replace(/\W+/g, '-')}`;
      await using cluster = clusterFor(client);
      await cluster.metadata([topic], { autoCreate: true });
      await using producer = new BatchProducer({ ...PARTS, cluster });
      const sent = Array.from({ length: 500 }, (_, i) => `${i} ${'x'.repeat(i * 10)}`);
      await Promise.all(
        sent.map((value) => producer.send({ topic, key: null, value: Buffer.from(value), partition: 0 })),
      );
      const read: string[] = [];
      const { consumer } = consumerOf(cluster, topic);
      await using _closed = consumer;
      await consumer.start();
      while (read.length < sent.length) {
        for (const { records } of await consumer.poll({ maxWaitMs: 200 }))
          for (const { value } of records) read.push(String(value));
      }
      expect(read).toEqual(sent);
    });
  }

  it('is told at once, and without its password, that its login is wrong', async () => {
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-512'] as const) {
      await using cluster = clusterFor(saslClient('SASL_SSL', mechanism, 'hunter2'));
      const refused = cluster.metadata(['t']);
      await expect(refused).rejects.toMatchObject({
        code: 'kafka.authentication_failed',
        javaClass: 'org.apache.kafka.common.errors.SaslAuthenticationException',
        message: expect.stringContaining('user admin'),
      });
      await expect(refused).rejects.not.toThrow('hunter2');
    }
  });

  it('fails a producer and a reader whose login is wrong, instead of trying for ever', async () => {
    await using cluster = clusterFor(saslClient('SASL_PLAINTEXT', 'PLAIN', 'wrong'));
    await using producer = new BatchProducer({ ...PARTS, cluster });
    const sent = producer.send({ topic: 't', key: null, value: Buffer.from('x'), partition: 0 });
    await expect(sent).rejects.toMatchObject({ code: 'kafka.authentication_failed' });
    await using fetcher = new Fetcher({ ...PARTS, cluster, isolation: 'read_committed' });
    fetcher.assign([{ topic: 't', partition: 0, offset: 0 }]);
    await expect(fetcher.poll({ maxWaitMs: 30_000 })).rejects.toMatchObject({
      code: 'kafka.authentication_failed',
    });
    const { consumer, fatal } = consumerOf(cluster, 't');
    await using _closed = consumer;
    // The consumer, too, says what it died of, at its start or later.
    const ended = await Promise.race([
      fatal,
      consumer.start().then(
        () => fatal,
        (error: unknown) => error,
      ),
    ]);
    expect(ended).toMatchObject({ code: 'kafka.authentication_failed' });
  });

  it('does not trust a stranger, or the right broker at another host name', async () => {
    const stranger = { 'security.protocol': 'SSL', 'ssl.truststore.location': certificate('stranger.pem') };
    await using distrusting = clusterFor(stranger);
    await expect(distrusting.metadata(['t'])).rejects.toMatchObject({
      code: 'kafka.authentication_failed',
      javaClass: 'org.apache.kafka.common.errors.SslAuthenticationException',
    });
    const elsewhere = await startBroker({
      dataDirectory: path.join(folder, 'elsewhere'),
      properties: { listeners: 'SSL://127.0.0.1:0', 'ssl.keystore.location': certificate('elsewhere.pem') },
    });
    try {
      const address = { host: '127.0.0.1', port: elsewhere.port, clientId: 'c' };
      const checked = clientSecurity({ 'security.protocol': 'SSL', ...TRUST });
      await expect(Connection.connect({ ...address, ...checked })).rejects.toMatchObject({
        code: 'kafka.authentication_failed',
        message: expect.stringContaining("does not match certificate's altnames"),
      });
      const unchecked = clientSecurity({
        'security.protocol': 'SSL',
        ...TRUST,
        'ssl.endpoint.identification.algorithm': '',
      });
      await using connection = await Connection.connect({ ...address, ...unchecked });
      expect(connection.isOpen).toBe(true);
    } finally {
      await elsewhere.close();
    }
  });

  it('is refused with a certificate of an authority that the broker does not trust', async () => {
    const mallory = {
      'security.protocol': 'SSL',
      ...TRUST,
      'ssl.keystore.location': certificate('mallory.pem'),
    };
    await using cluster = clusterFor(mallory, '127.0.0.1', 1000);
    await expect(cluster.metadata(['t'])).rejects.toThrow();
  });

  it('renews its login on the same connection, with requests going on meanwhile (KIP-368)', async () => {
    const address = { host: '127.0.0.1', port: portOf('SASL_PLAINTEXT'), clientId: 'c' };
    const security = clientSecurity(saslClient('SASL_PLAINTEXT', 'SCRAM-SHA-256'));
    let logins = 0;
    await using connection = await Connection.connect({
      ...address,
      authenticate: async (each) => {
        logins++;
        return (await security.authenticate?.(each)) ?? 0;
      },
    });
    let answers = 0;
    while (logins < 3) {
      const { errorCode } = await connection.request(API.ListGroups, {});
      expect(errorCode).toBe(0);
      answers++;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect([connection.isOpen, answers > 10]).toEqual([true, true]);
  });

  it('is told which topic it may not read, and stops', async () => {
    const alice = {
      ...saslClient('SASL_PLAINTEXT', 'PLAIN'),
      'sasl.jaas.config': jaas('PLAIN', 'alice', 'alice-secret'),
    };
    await using cluster = clusterFor(alice);
    await using fetcher = new Fetcher({ ...PARTS, cluster, isolation: 'read_committed' });
    fetcher.assign([{ topic: 'secret', partition: 0, offset: 0 }]);
    await expect(fetcher.poll({ maxWaitMs: 30_000 })).rejects.toMatchObject({
      context: expect.objectContaining({ kafkaError: 'TOPIC_AUTHORIZATION_FAILED' }),
    });
    await expect(listOffsets(cluster, [{ topic: 'secret', partition: 0 }], 'latest')).rejects.toMatchObject({
      context: expect.objectContaining({ kafkaError: 'TOPIC_AUTHORIZATION_FAILED' }),
    });
  });
});

it('The commands log in with the file that --command-config names', async () => {
  const run = async (password: string): Promise<{ code: number | null; stdout: string; stderr: string }> => {
    const file = path.join(folder, `${password}.properties`);
    const settings = Object.entries(saslClient('SASL_SSL', 'SCRAM-SHA-512', password));
    writeFileSync(file, settings.map(([key, value]) => `${key}=${value}\n`).join(''));
    const bootstrap = `127.0.0.1:${portOf('SASL_SSL')}`;
    return runMillrace(['topics', '--bootstrap-server', bootstrap, '--command-config', file, '-o', 'json']);
  };
  await using cluster = clusterFor({});
  await cluster.metadata(['listed'], { autoCreate: true });
  const listed = await run('admin-secret');
  expect([listed.code, listed.stderr]).toEqual([0, '']);
  expect(listed.stdout).toContain('"listed"');
  const refused = await run('wrong-guess');
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('The login at');
  expect(refused.stderr).not.toContain('wrong-guess');
});

const SCRIPT = `
import sys
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, AclBinding, AclBindingFilter, AclOperation, AclPermissionType, ResourceType, ResourcePatternType, UserScramCredentialUpsertion, ScramCredentialInfo, ScramMechanism
bootstrap, protocol, mechanism, ca = sys.argv[1:]
def settings(user, password):
    return {'bootstrap.servers': bootstrap, 'security.protocol': protocol, 'sasl.mechanism': mechanism,
            'sasl.username': user, 'sasl.password': password, 'ssl.ca.location': ca}
topic = 'rd-' + mechanism
admin = AdminClient(settings('admin', 'admin-secret'))
if mechanism != 'PLAIN':
    info = ScramCredentialInfo(getattr(ScramMechanism, mechanism.replace('-', '_')), 8192)
    for future in admin.alter_user_scram_credentials([UserScramCredentialUpsertion('alice', info, b'alice-secret')]).values():
        future.result()
    known = admin.describe_user_scram_credentials(['alice'])['alice'].result().scram_credential_infos
    assert 8192 in [each.iterations for each in known], known
alice = settings('alice', 'alice-secret')
def produce(config):
    failed = []
    producer = Producer({**config, 'message.timeout.ms': 20000, 'allow.auto.create.topics': True})
    producer.produce(topic, b'v', on_delivery=lambda error, _: failed.append(error.name() if error else 'ok'))
    producer.flush(30)
    return failed
print(produce(settings('admin', 'admin-secret')))
print(produce(alice))
rules = [AclBinding(ResourceType.TOPIC, 'rd-', ResourcePatternType.PREFIXED, 'User:alice', '*', operation, AclPermissionType.ALLOW) for operation in (AclOperation.READ, AclOperation.WRITE)]
rules.append(AclBinding(ResourceType.GROUP, 'rd', ResourcePatternType.LITERAL, 'User:alice', '*', AclOperation.READ, AclPermissionType.ALLOW))
for future in admin.create_acls(rules).values():
    future.result()
print(produce(alice))
consumer = Consumer({**alice, 'group.id': 'rd', 'auto.offset.reset': 'earliest'})
consumer.subscribe([topic])
read = []
while len(read) < 2:
    message = consumer.poll(1)
    if message: read.append(message.value() if not message.error() else message.error())
consumer.close()
print(read)
any_rule = AclBindingFilter(ResourceType.ANY, None, ResourcePatternType.ANY, 'User:alice', None, AclOperation.ANY, AclPermissionType.ANY)
print(len(admin.delete_acls([any_rule])[any_rule].result()))
`;

const hasPython = spawnSync('python3', ['--version']).error === undefined;
// In CI it must be there; elsewhere its absence is a named skip.
const itPython = hasPython || process.env['CI'] === 'true' ? it : it.skip;
describe('librdkafka', () => {
  for (const [protocol, mechanism] of [
    ['SASL_PLAINTEXT', 'PLAIN'],
    ['SASL_SSL', 'SCRAM-SHA-256'],
    ['SASL_SSL', 'SCRAM-SHA-512'],
  ] as const) {
    itPython(`logs in by ${mechanism} over ${protocol} and is held to the rules`, async () => {
      const interpreter = await pythonWith(['confluent-kafka==2.6.1']);
      const args = [
        '-c',
        SCRIPT,
        `127.0.0.1:${portOf(protocol)}`,
        protocol,
        mechanism,
        certificate('ca.pem'),
      ];
      const { code, stdout, stderr } = await runCommand(interpreter, args, { timeoutMs: 90_000 });
      expect(code, stderr).toBe(0);
      expect(stdout.trim().split('\n')).toEqual([
        "['ok']",
        "['TOPIC_AUTHORIZATION_FAILED']",
        "['ok']",
        "[b'v', b'v']",
        '3',
      ]);
    });
  }
});
