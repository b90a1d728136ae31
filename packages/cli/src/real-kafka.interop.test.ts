// F41: a worker of Millrace on a real Kafka that is killed, loses topics, and refuses records and clients. Needs Java 17
// and Maven: a named skip elsewhere.
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, type MillraceProcess, RealKafka, startMillrace } from '@millrace/testkit';
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  type Admin,
  ConfigResourceTypes,
  Kafka,
  logLevel,
  ResourcePatternTypes,
} from 'kafkajs';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { connectorStatus, putConnector, untilRunning } from './testing/connectors.ts';
import { fileSource, replays, TEXT, untilLine } from './testing/numbered-lines.ts';
import { group } from './testing/workers.ts';

let folder: string;
let kafka: RealKafka | undefined;
let address = '';
let admin: Admin;
let millrace: MillraceProcess;
let cannot: string | undefined;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'millrace-real-kafka-'));
  try {
    kafka = await RealKafka.start(path.join(folder, 'kafka'), {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'allow.everyone.if.no.acl.found': 'true',
    });
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    cannot = `Kafka cannot be had: ${String(error).slice(0, 300)}`;
    return;
  }
  address = `127.0.0.1:${kafka.port}`;
  admin = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const properties = {
    ...group('f41'),
    'task.restart.backoff.ms': '200',
    'task.restart.backoff.max.ms': '1000',
  };
  millrace = await startMillrace({ bootstrapServers: address, properties });
}, 300_000);
beforeEach((context) => {
  if (cannot !== undefined) context.skip(cannot);
});
afterAll(async () => {
  await millrace?.[Symbol.asyncDispose]();
  await admin?.disconnect();
  await kafka?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const fileOf = (name: string): string => path.join(folder, name);

/** A source of numbered lines and a sink of its topic. */
async function startPair(name: string): Promise<void> {
  writeFileSync(fileOf(name), '');
  addLines(name, 0, 10);
  await putConnector(millrace, name, fileSource(fileOf(name), name));
  const sink = { ...TEXT, 'connector.class': 'FileStreamSink', topics: name, file: fileOf(`${name}.out`) };
  await putConnector(millrace, `${name}-out`, { ...sink, 'consumer.override.metadata.max.age.ms': '1000' });
  await untilWritten(name, 9);
}
function addLines(name: string, from: number, to: number): void {
  const numbers = Array.from({ length: to - from }, (_, i) => `${from + i}\n`);
  appendFileSync(fileOf(name), numbers.join(''));
}
async function untilWritten(name: string, number: number): Promise<void> {
  await eventually(
    `the sink of ${name} writes ${number}`,
    () =>
      readFileSync(fileOf(`${name}.out`), 'utf8')
        .trimEnd()
        .split('\n')
        .includes(String(number)),
    60_000,
  );
}
async function untilFailed(name: string, trace: RegExp): Promise<void> {
  await eventually(
    `${name} fails`,
    async () => {
      const [task] = (await connectorStatus(millrace, name)).tasks;
      if (task?.state === 'FAILED' && trace.test(task.trace ?? '')) return true;
      throw new Error(JSON.stringify(task));
    },
    60_000,
  );
}

test('F41: a broker that is killed and started again costs nothing (INV-3)', {
  timeout: 180_000,
}, async () => {
  await startPair('killed');
  await kafka?.kill();
  addLines('killed', 10, 20);
  await kafka?.startAgain();
  await untilWritten('killed', 19);
  await untilLine(address, 'killed', 20);
  expect((await replays(address, 'killed')).count).toBeLessThanOrEqual(1);
  await untilRunning(millrace, 'killed');
  await untilRunning(millrace, 'killed-out');
});

test('F41: a topic that is deleted is made again by what comes next; its sink says so and begins where it is told to', {
  timeout: 180_000,
}, async () => {
  await startPair('deleted');
  await admin.deleteTopics({ topics: ['deleted'] });
  await eventually('it is gone', async () => !(await admin.listTopics()).includes('deleted'));
  for (let i = 10; i < 60; i++) {
    addLines('deleted', i, i + 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  // INV-3: what its offset was about is gone, which a sink does not pass over in silence.
  await untilFailed(
    'deleted-out',
    /deleted was deleted and created anew[^]*What to do: [^]*reset the offsets/,
  );
  expect((await millrace.request('PUT', '/connectors/deleted-out/stop')).status).toBe(204);
  await eventually('its offsets are reset', async () => {
    const { status, body } = await millrace.request('DELETE', '/connectors/deleted-out/offsets');
    if (status === 200) return true;
    throw new Error(JSON.stringify(body));
  });
  expect((await millrace.request('PUT', '/connectors/deleted-out/resume')).status).toBe(202);
  await untilWritten('deleted', 59);
  await untilRunning(millrace, 'deleted');
  await untilRunning(millrace, 'deleted-out');
});

test('F41: a record that is too large fails its source, which says where, and goes on once it fits', async () => {
  await admin.createTopics({
    topics: [
      { topic: 'large', numPartitions: 1, configEntries: [{ name: 'max.message.bytes', value: '1000' }] },
    ],
  });
  await startPair('large');
  appendFileSync(fileOf('large'), `${'x'.repeat(5000)}\n`);
  await untilFailed('large', /RecordTooLargeException[^]*large[^]*What to do: [^]*max\.message\.bytes/);
  await admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: ConfigResourceTypes.TOPIC,
        name: 'large',
        configEntries: [{ name: 'max.message.bytes', value: '100000' }],
      },
    ],
  });
  addLines('large', 10, 12);
  expect((await millrace.request('POST', '/connectors/large/tasks/0/restart')).status).toBe(204);
  await untilWritten('large', 11);
}, 120_000);

test('F41: clients that may not write or read say what they may not, and go on once they may', {
  timeout: 180_000,
}, async () => {
  await startPair('denied');
  for (const [operation, name, trace] of [
    [AclOperationTypes.WRITE, 'denied', /TopicAuthorizationException[^]*denied/],
    [AclOperationTypes.READ, 'denied-out', /TopicAuthorizationException[^]*denied/],
  ] as const) {
    const acl = {
      resourceType: AclResourceTypes.TOPIC,
      resourceName: 'denied',
      resourcePatternType: ResourcePatternTypes.LITERAL,
      principal: 'User:ANONYMOUS',
      host: '*',
      operation,
      permissionType: AclPermissionTypes.DENY,
    };
    const others = { ...acl, operation: AclOperationTypes.ALL, permissionType: AclPermissionTypes.ALLOW };
    await admin.createAcls({ acl: [acl, others] });
    const from = name === 'denied' ? 10 : 20;
    addLines('denied', from, from + 10);
    await untilFailed(name, trace);
    for (const each of [acl, others]) await admin.deleteAcls({ filters: [each] });
    expect((await millrace.request('POST', `/connectors/${name}/tasks/0/restart`)).status).toBe(204);
    await untilRunning(millrace, name, 60_000);
    await untilWritten('denied', from + 9);
  }
  expect((await replays(address, 'denied')).count).toBeLessThanOrEqual(1);
});
