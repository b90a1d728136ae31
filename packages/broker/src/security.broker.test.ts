// TLS, SASL and what is durable of them, as clients meet it.
import { statSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, LogHub } from '@millrace/foundation';
import { API, saltPassword } from '@millrace/kafka-protocol';
import { eventually } from '@millrace/testkit';
import { Kafka, logLevel, type SASLOptions } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { startBroker } from './broker.ts';
import { certificate, PLAIN_MODULE, SCRAM_MODULE, SECURED } from './testing/secured-properties.ts';
import { startTestBroker } from './testing/test-broker.ts';
import { TestClient } from './testing/test-client.ts';

const ca = await readFile(certificate('ca.pem'));
const MECHANISMS = { 'SCRAM-SHA-256': 1, 'SCRAM-SHA-512': 2 } as const;

/** A logger whose lines are kept, of every level. */
function keptLog(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const hub = new LogHub({ level: 'trace', destination: { write: (line: string) => lines.push(line) } });
  return { logger: hub.logger('test'), lines };
}

async function addScramUser(client: TestClient, name: string, password: string): Promise<void> {
  for (const [mechanism, code] of Object.entries(MECHANISMS)) {
    const salt = Buffer.from('0123456789abcdef');
    const saltedPassword = await saltPassword(mechanism as keyof typeof MECHANISMS, password, salt, 4096);
    const upsertions = [{ name, mechanism: code, iterations: 4096, salt, saltedPassword }];
    const answer = await client.send('AlterUserScramCredentials', 0, { deletions: [], upsertions });
    expect(answer['results']).toEqual([{ user: name, errorCode: 0, errorMessage: null }]);
  }
}

async function roundTrip(port: number, ssl: boolean, sasl: SASLOptions | undefined): Promise<string[]> {
  const kafka = new Kafka({
    brokers: [`127.0.0.1:${port}`],
    logLevel: logLevel.NOTHING,
    ...(ssl ? { ssl: { ca: [ca] } } : {}),
    ...(sasl ? { sasl } : {}),
  });
  const producer = kafka.producer();
  const consumer = kafka.consumer({ groupId: 'secured' });
  try {
    await producer.connect();
    await producer.send({ topic: 'secured', messages: [{ value: 'a' }, { value: 'b'.repeat(100_000) }] });
    await consumer.connect();
    await consumer.subscribe({ topic: 'secured', fromBeginning: true });
    const values: string[] = [];
    await new Promise<void>((resolve, reject) => {
      consumer
        .run({
          eachMessage: async ({ message }) => {
            values.push(String(message.value));
            if (values.length === 2) resolve();
          },
        })
        .catch(reject);
    });
    return values.map((value) => value.slice(0, 3));
  } finally {
    await producer.disconnect();
    await consumer.disconnect();
  }
}

function raw(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
  });
}

function closing(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on('error', () => undefined);
    socket.resume();
    if (socket.destroyed) resolve();
    socket.once('close', () => resolve());
  });
}

describe('kafkajs', () => {
  const password = 'admin-secret';
  const logins: [string, boolean, SASLOptions | undefined][] = [
    ['SSL', true, undefined],
    ['SASL_PLAINTEXT', false, { mechanism: 'plain', username: 'admin', password }],
    ['SASL_SSL', true, { mechanism: 'plain', username: 'admin', password }],
    ['SASL_SSL', true, { mechanism: 'scram-sha-256', username: 'carol', password: 'p, =ä' }],
    ['SASL_PLAINTEXT', false, { mechanism: 'scram-sha-512', username: 'carol', password: 'p, =ä' }],
  ];
  for (const [listener, ssl, sasl] of logins) {
    it(`writes and reads over ${listener} with ${sasl?.mechanism ?? 'no login'}`, async () => {
      const properties = { ...SECURED, 'super.users': 'User:ANONYMOUS;User:admin;User:carol' };
      await using broker = await startTestBroker(properties);
      await using client = await TestClient.connect(broker.port('PLAINTEXT'));
      await addScramUser(client, 'carol', 'p, =ä');
      expect(await roundTrip(broker.port(listener), ssl, sasl)).toEqual(['a', 'bbb']);
    });
  }

  it('is told that the password is wrong', async () => {
    await using broker = await startTestBroker(SECURED);
    const sasl: SASLOptions = { mechanism: 'plain', username: 'admin', password: 'guess' };
    await expect(roundTrip(broker.port('SASL_SSL'), true, sasl)).rejects.toThrow(
      'Invalid username or password',
    );
  });
});

describe('before a login', () => {
  it('INV-5: a length that only a known client may send, and garbage, end the connection', async () => {
    await using broker = await startTestBroker(SECURED);
    for (const bytes of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      // 524,289 bytes are one more than sasl.server.max.receive.size.
      Buffer.from([0, 8, 0, 1]),
      Buffer.from([0, 0, 0, 0]),
      Buffer.concat([Buffer.from([0, 0, 0, 40]), Buffer.alloc(40, 0xff)]),
    ]) {
      const socket = await raw(broker.port('SASL_PLAINTEXT'));
      const closed = closing(socket);
      socket.write(bytes);
      await closed;
    }
    await using client = await TestClient.connect(broker.port('SASL_PLAINTEXT'));
    expect(await client.login('alice', 'alice-secret')).toBe(0);
  });

  it('INV-5: who takes too long is shown out, over TLS and over SASL', async () => {
    await using broker = await startTestBroker({ ...SECURED, 'millrace.authentication.timeout.ms': '300' });
    await using known = await TestClient.connect(broker.port('SASL_PLAINTEXT'));
    expect(await known.login('alice', 'alice-secret')).toBe(0);
    const silent = ['SASL_PLAINTEXT', 'SSL', 'SASL_SSL'].map(async (name) => {
      const socket = await raw(broker.port(name));
      const closed = closing(socket);
      socket.write(Buffer.from([0x16]));
      await closed;
    });
    await Promise.all(silent);
    // TLS is there, the login is not.
    await using halfway = await TestClient.connect(broker.port('SASL_SSL'), { ca });
    await halfway.send('SaslHandshake', 1, { mechanism: 'PLAIN' });
    await halfway.closed();
    expect((await known.send('ApiVersions', 0, {})).errorCode).toBe(0);
  });

  it('INV-5: no address has more connections than it may, on any listener, until one of them has ended', async () => {
    await using broker = await startTestBroker({
      ...SECURED,
      'max.connections.per.ip': '1',
      'max.connections.per.ip.overrides': '10.0.0.1:5, 127.0.0.1:2',
    });
    await using first = await TestClient.connect(broker.port('PLAINTEXT'));
    const second = await TestClient.connect(broker.port('SSL'), { ca });
    await expect(TestClient.connect(broker.port('SSL'), { ca })).rejects.toMatchObject({
      code: 'ECONNRESET',
    });
    await using third = await TestClient.connect(broker.port('PLAINTEXT'));
    await third.closed();
    expect((await second.send('ApiVersions', 0, {})).errorCode).toBe(0);
    second.socket.destroy();
    await second.closed();
    // The broker hears of the end a little later.
    await eventually('another connection', async () => {
      await using next = await TestClient.connect(broker.port('PLAINTEXT'));
      return (await next.send('ApiVersions', 0, {})).errorCode === 0;
    });
    expect((await first.send('ApiVersions', 0, {})).errorCode).toBe(0);
  });

  it('nothing is served but what leads to a login', async () => {
    await using broker = await startTestBroker(SECURED);
    for (const [api, version] of [
      ['Metadata', 9],
      ['SaslAuthenticate', 2],
      ['Fetch', 12],
    ] as const) {
      await using client = await TestClient.connect(broker.port('SASL_PLAINTEXT'));
      expect((await client.send('ApiVersions', 0, {})).errorCode).toBe(0);
      await expect(client.send(api, version, {}), api).rejects.toThrow('closed');
    }
  });
});

describe('a login', () => {
  it('that grows old ends the connection, one that is renewed does not (KIP-368)', async () => {
    await using broker = await startTestBroker({ ...SECURED, 'connections.max.reauth.ms': '400' });
    await using client = await TestClient.connect(broker.port('SASL_PLAINTEXT'));
    await client.send('SaslHandshake', 1, { mechanism: 'PLAIN' });
    const authBytes = Buffer.from('\0alice\0alice-secret');
    expect(Number((await client.send('SaslAuthenticate', 2, { authBytes })).sessionLifetimeMs)).toBe(400);
    expect(await client.login('alice', 'alice-secret')).toBe(0);
    await client.send('Metadata', 9, { topics: [] });
    await new Promise((resolve) => setTimeout(resolve, 450));
    await expect(client.send('Metadata', 9, { topics: [] })).rejects.toThrow('closed');
  });

  it('by a user of the config works with SCRAM, until a credential is stored under the name', async () => {
    const jaas = `${SCRAM_MODULE} required username="worker" password="w-secret";`;
    await using broker = await startTestBroker({
      ...SECURED,
      'super.users': 'User:ANONYMOUS;User:worker',
      'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config': jaas,
    });
    const login = (password: string): Promise<string[]> =>
      roundTrip(broker.port('SASL_SSL'), true, { mechanism: 'scram-sha-512', username: 'worker', password });
    expect(await login('w-secret')).toEqual(['a', 'bbb']);
    await using client = await TestClient.connect(broker.port('PLAINTEXT'));
    await addScramUser(client, 'worker', 'new-secret');
    await expect(login('w-secret')).rejects.toThrow('invalid credentials');
  });
});

describe('client certificates', () => {
  const aliceName = 'CN=alice,OU=Kitchen\\, second,O=Millrace,C=DE';

  it('say who a client is, and only those of a trusted authority', async () => {
    await using broker = await startTestBroker({
      ...SECURED,
      'super.users': 'User:ANONYMOUS',
      'ssl.truststore.location': certificate('ca.pem'),
      'ssl.client.auth': 'required',
    });
    await using admin = await TestClient.connect(broker.port('PLAINTEXT'));
    await admin.send('Metadata', 9, { topics: [{ name: 'hers' }], allowAutoTopicCreation: true });
    const acl = { resourceType: 2, resourceName: 'hers', resourcePatternType: 3, host: '*' };
    const creations = [{ ...acl, principal: `User:${aliceName}`, operation: 4, permissionType: 3 }];
    expect((await admin.send('CreateAcls', 3, { creations }))['results']).toEqual([
      { errorCode: 0, errorMessage: '' },
    ]);
    const alice = await readFile(certificate('alice.pem'));
    await using client = await TestClient.connect(broker.port('SSL'), { ca, key: alice, cert: alice });
    expect(await client.produce('hers', 0, { values: ['x'] })).toBe(0);
    const mallory = await readFile(certificate('mallory.pem'));
    for (const identity of [{}, { key: mallory, cert: mallory }]) {
      // Under TLS 1.3 the refusal may come after the client has taken the connection for good.
      const refused = TestClient.connect(broker.port('SSL'), { ca, ...identity }).then((stranger) =>
        stranger.send('ApiVersions', 0, {}),
      );
      await expect(refused).rejects.toThrow();
    }
  });

  it('may be left out where they are only requested, and must be good where they are shown', async () => {
    await using broker = await startTestBroker({
      ...SECURED,
      'ssl.truststore.location': certificate('ca.pem'),
      'ssl.client.auth': 'requested',
    });
    await using nobody = await TestClient.connect(broker.port('SSL'), { ca });
    expect((await nobody.send('Metadata', 9, { topics: null })).topics).toEqual([]);
    const mallory = await readFile(certificate('mallory.pem'));
    await using forged = await TestClient.connect(broker.port('SSL'), { ca, key: mallory, cert: mallory });
    await expect(forged.send('ApiVersions', 0, {})).rejects.toThrow();
  });
});

describe('the config', () => {
  it('takes PKCS12, encrypted keys and PEM without line breaks; what it cannot read it says how to convert', async () => {
    const pem = await readFile(certificate('server.pem'), 'utf8');
    const [key = '', chain = ''] = pem.replaceAll('\n', ' ').split(/(?<=-----END PRIVATE KEY-----)/);
    const good: Record<string, string>[] = [
      { 'ssl.keystore.location': certificate('server.p12'), 'ssl.keystore.password': 'store-secret' },
      { 'ssl.keystore.location': '', 'ssl.keystore.key': key, 'ssl.keystore.certificate.chain': chain },
    ];
    for (const properties of good) {
      await using broker = await startTestBroker({ ...SECURED, ...properties });
      await using client = await TestClient.connect(broker.port('SSL'), { ca });
      expect((await client.send('ApiVersions', 0, {})).errorCode).toBe(0);
    }
    const bad: [Record<string, string>, string][] = [
      [{ 'ssl.keystore.location': '' }, 'Listener SSL speaks TLS and has no certificate'],
      [{ 'ssl.keystore.location': '/nowhere' }, 'ssl.keystore.location cannot be read'],
      [{ 'ssl.keystore.location': certificate('ca.pem') }, 'has no private key'],
      [{ 'ssl.keystore.location': certificate('server.p12') }, 'cannot be used'],
      [{ 'ssl.keystore.location': certificate('alice-encrypted.pem') }, 'cannot be used'],
      [{ 'ssl.truststore.location': certificate('server.p12') }, 'is a PKCS12 file'],
      [{ 'ssl.client.auth': 'perhaps' }, 'ssl.client.auth'],
      [{ 'sasl.enabled.mechanisms': 'GSSAPI' }, 'offers GSSAPI, which is not supported'],
      [{ 'listener.name.sasl_ssl.plain.sasl.jaas.config': '' }, 'offers PLAIN and has no users'],
      [{ 'listener.name.sasl_ssl.plain.sasl.jaas.config': `${PLAIN_MODULE} hunter2` }, '[hidden]'],
      [
        { 'authorizer.class.name': 'com.example.Authorizer' },
        'Class com.example.Authorizer could not be found',
      ],
      [{ 'super.users': 'admin' }, 'admin is no principal'],
    ];
    for (const [properties, text] of bad) {
      const started = startTestBroker({ ...SECURED, ...properties });
      await expect(started).rejects.toThrow(text);
      await expect(started).rejects.not.toThrow('hunter2');
    }
  });

  it('gives each listener an address of its own', async () => {
    await using broker = await startTestBroker({
      ...SECURED,
      'advertised.listeners': 'SASL_SSL://outside.example:9443,SSL://tls.example:0',
    });
    const told = async (client: TestClient): Promise<string[]> =>
      (await client.send('Metadata', 9, { topics: [] })).brokers.map(({ host, port }) => `${host}:${port}`);
    await using plain = await TestClient.connect(broker.port('PLAINTEXT'));
    expect(await told(plain)).toEqual([`127.0.0.1:${broker.port('PLAINTEXT')}`]);
    const [, , tlsPort, outside] = broker.handle.listeners;
    expect(outside).toEqual({ name: 'SASL_SSL', protocol: 'SASL_SSL', host: 'outside.example', port: 9443 });
    await using tls = await TestClient.connect(tlsPort?.port ?? 0, { ca });
    expect(await told(tls)).toEqual([`tls.example:${tlsPort?.port}`]);
  });

  it('keeps a folder of logs from being opened by two brokers, wherever their data folders are', async () => {
    const logs = await mkdtemp(join(tmpdir(), 'millrace-logs-'));
    try {
      await using broker = await startTestBroker({ 'log.dirs': logs });
      expect(broker.handle.port).toBeGreaterThan(0);
      await using usual = await startTestBroker();
      for (const taken of [logs, join(usual.dataDirectory, 'log')]) {
        await expect(startTestBroker({ 'log.dirs': taken })).rejects.toMatchObject({
          code: 'broker.data_folder_locked',
        });
      }
    } finally {
      await rm(logs, { recursive: true, force: true });
    }
  });

  it('is not overruled in silence: secured listeners and another plain address are refused', async () => {
    const dataDirectory = await mkdtemp(join(tmpdir(), 'millrace-broker-'));
    try {
      const started = startBroker({
        dataDirectory,
        properties: SECURED,
        listen: { host: '127.0.0.1', port: 0 },
      });
      await expect(started).rejects.toThrow('listeners of the broker config are secured');
    } finally {
      await rm(dataDirectory, { recursive: true, force: true });
    }
  });
});

it('Rules and credentials are there after a restart, and gone when they were deleted', async () => {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'millrace-broker-'));
  const properties = { ...SECURED, 'super.users': 'User:ANONYMOUS;User:carol' };
  const acl = { resourceType: 2, resourcePatternType: 3, principal: 'User:alice', host: '*' };
  const any = { resourceTypeFilter: 1, patternTypeFilter: 1, operation: 1, permissionType: 1 };
  const filter = { ...any, resourceNameFilter: null, principalFilter: null, hostFilter: null };
  try {
    const run = async (use: (client: TestClient, port: number) => Promise<void>): Promise<void> => {
      const broker = await startBroker({ dataDirectory, properties });
      try {
        await using client = await TestClient.connect(broker.port);
        await use(client, broker.listeners.find(({ name }) => name === 'SASL_SSL')?.port ?? 0);
      } finally {
        await broker.close();
      }
    };
    await run(async (client) => {
      await addScramUser(client, 'carol', 'first');
      await addScramUser(client, 'carol', 'second');
      await addScramUser(client, 'dave', 'gone');
      const deletions = [1, 2].map((mechanism) => ({ name: 'dave', mechanism }));
      await client.send('AlterUserScramCredentials', 0, { deletions, upsertions: [] });
      const creations = ['kept', 'gone'].map((resourceName) => ({
        ...acl,
        resourceName,
        operation: 3,
        permissionType: 3,
      }));
      await client.send('CreateAcls', 3, { creations });
      const deleted = await client.send('DeleteAcls', 3, {
        filters: [{ ...filter, resourceNameFilter: 'gone' }],
      });
      expect((deleted['filterResults'] as { matchingAcls: object[] }[])[0]?.matchingAcls).toHaveLength(1);
    });
    await run(async (client, port) => {
      const found = await client.send('DescribeAcls', 3, filter);
      expect((found['resources'] as { resourceName: string }[]).map((each) => each.resourceName)).toEqual([
        'kept',
      ]);
      const users = await client.send('DescribeUserScramCredentials', 0, { users: null });
      expect((users['results'] as { user: string }[]).map(({ user }) => user)).toEqual(['carol']);
      const sasl = { mechanism: 'scram-sha-256', username: 'carol' } as const;
      expect(await roundTrip(port, true, { ...sasl, password: 'second' })).toEqual(['a', 'bbb']);
      await expect(roundTrip(port, true, { ...sasl, password: 'first' })).rejects.toThrow('credentials');
    });
  } finally {
    await rm(dataDirectory, { recursive: true, force: true });
  }
});

it('INV-11: no credential reaches a log line, an answer or the metadata log', async () => {
  const { logger, lines } = keptLog();
  const secrets = /alice-secret|admin-secret|wrong-guess|carol-password|BEGIN PRIVATE|[A-Za-z0-9+/]{60}/;
  const pem = await readFile(certificate('server.pem'), 'utf8');
  await using broker = await startTestBroker(
    {
      ...SECURED,
      'ssl.keystore.location': '',
      'ssl.keystore.key': pem,
      'ssl.keystore.certificate.chain': pem,
    },
    { logger },
  );
  await using admin = await TestClient.connect(broker.port('PLAINTEXT'));
  await addScramUser(admin, 'carol', 'carol-password');
  for (const [user, password] of [
    ['alice', 'alice-secret'],
    ['alice', 'wrong-guess'],
    ['wrong-guess', ''],
  ] as const) {
    await using client = await TestClient.connect(broker.port('SASL_PLAINTEXT'));
    await client.login(user, password);
    if (password !== 'alice-secret') continue;
    await client.send('CreateTopics', 7, {
      topics: [{ name: 'hers', numPartitions: 1, replicationFactor: 1 }],
    });
  }
  const resources = [{ resourceType: 4, resourceName: String(1), configurationKeys: null }];
  const described = await admin.send('DescribeConfigs', 4, { resources, includeSynonyms: true });
  const metadataLog = await readFile(join(broker.dataDirectory, 'log', 'metadata.log'), 'latin1');
  expect(/-secret|BEGIN|PlainLogin/.test(JSON.stringify(described))).toBe(false);
  expect(metadataLog).not.toMatch(/alice-secret|carol-password/);
  // Both refusals are in the log, so that there is something to be silent about.
  expect(lines.filter((line) => line.includes('a login failed'))).toHaveLength(2);
  expect(lines.filter((line) => line.includes('access was refused'))).toHaveLength(1);
  expect(lines.filter((line) => secrets.test(line))).toEqual([]);
});

it('INV-11: nobody but its owner may read what the broker keeps', async () => {
  const home = await mkdtemp(join(tmpdir(), 'millrace-broker-'));
  const dataDirectory = join(home, 'new', 'data');
  try {
    const broker = await startBroker({
      dataDirectory,
      listen: { host: '127.0.0.1', port: 0 },
      properties: { 'millrace.disk.reserve.bytes': '1048576' },
    });
    await using client = await TestClient.connect(broker.port);
    await addScramUser(client, 'carol', 'carol-secret');
    await client.send('CreateTopics', 5, { topics: [{ name: 't', numPartitions: 1, replicationFactor: 1 }] });
    await client.produce('t', 0, { values: ['v'] });
    await broker.close();
    const entries = await readdir(dataDirectory, { recursive: true, withFileTypes: true });
    const open = entries.filter((entry) => (statSync(join(entry.parentPath, entry.name)).mode & 0o077) !== 0);
    expect(entries.length).toBeGreaterThan(5);
    expect(open.map(({ name }) => name)).toEqual([]);
    expect(statSync(dataDirectory).mode & 0o777).toBe(0o700);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});

it('SaslHandshake and SaslAuthenticate are advertised, as by Kafka', async () => {
  await using broker = await startTestBroker();
  await using client = await TestClient.connect(broker.handle.port);
  const keys = (await client.send('ApiVersions', 0, {})).apiKeys.map(({ apiKey }) => apiKey);
  expect(keys).toEqual(expect.arrayContaining([API.SaslHandshake, API.SaslAuthenticate]));
});
