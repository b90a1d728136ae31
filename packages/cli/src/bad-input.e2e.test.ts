// Bytes and settings that are wrong: each gets an answer that says so, and everybody else's work goes on.
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  eventually,
  type MillraceProcess,
  type SeededRandom,
  startMillrace,
  type TestDatabase,
  testDatabase,
  testRandom,
  testRounds,
} from '@millrace/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connectorStatus, postgresSource, putConnector } from './testing/connectors.ts';
import { readTopic } from './testing/topic-reader.ts';

const ROUNDS = testRounds(150, 5_000);
const folder = mkdtempSync(path.join(tmpdir(), 'millrace-bad-input-'));
const input = path.join(folder, 'in.txt');
const output = path.join(folder, 'out.txt');
const TEXT = {
  'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
  'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
};

let millrace: MillraceProcess;
let database: TestDatabase;
let pid: number | undefined;
let lines = 0;

beforeAll(async () => {
  database = await testDatabase();
  writeFileSync(input, '');
  millrace = await startMillrace();
  ({ pid } = millrace);
  await putConnector(millrace, 'bystander-source', {
    ...TEXT,
    'connector.class': 'FileStreamSource',
    file: input,
    topic: 'bystander',
  });
  await putConnector(millrace, 'bystander-sink', {
    ...TEXT,
    'connector.class': 'FileStreamSink',
    file: output,
    topics: 'bystander',
  });
});

/** INV-6 after each test: the same process, and the connectors of others still deliver. */
afterEach(async () => {
  expect(millrace.running && millrace.pid === pid, 'the process stays up').toBe(true);
  const line = `line ${++lines}`;
  appendFileSync(input, `${line}\n`);
  await eventually('the bystander delivers', () => readFileSync(output, 'utf8').endsWith(`${line}\n`));
});

afterAll(async () => {
  await millrace[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** Sends bytes, ends our side, and returns what came back until the connection was closed. */
function sendBytes(address: string, bytes: Buffer): Promise<Buffer> {
  const [host = '', port] = address.split(':');
  return new Promise((resolve, reject) => {
    const received: Buffer[] = [];
    const socket = connect(Number(port), host, () => socket.end(bytes));
    socket.on('data', (chunk: Buffer) => received.push(chunk));
    socket.on('error', () => undefined); // a reset is an answer too
    socket.on('close', () => resolve(Buffer.concat(received)));
    socket.setTimeout(20_000, () => {
      socket.destroy();
      reject(new Error(`the connection was left open after ${bytes.subarray(0, 64).toString('hex')}`));
    });
  });
}

function frame(body: Buffer, length: number = body.length): Buffer {
  const head = Buffer.alloc(4);
  head.writeInt32BE(length);
  return Buffer.concat([head, body]);
}

/** Bytes that get past the length in more or less of the cases. */
function hostileBytes(random: SeededRandom): Buffer {
  const body = random.bytes(random.int(0, 300));
  if (body.length > 8 && random.next() < 0.6) {
    body.writeInt16BE(random.int(0, 70), 0);
    body.writeInt16BE(random.int(0, 12), 2);
  }
  return random.pick([
    () => body,
    () => frame(body),
    () => frame(body, body.length + random.int(1, 1000)),
    () => frame(body, random.pick([-1, 0x7fffffff, -0x80000000, 0x10000000])),
    () => Buffer.concat([frame(body), frame(random.bytes(random.int(0, 50)))]),
  ])();
}

const restAddress = (): string => millrace.rest.replace('http://', '');

describe('the Kafka port', () => {
  test(`INV-10: ${ROUNDS} connections with hostile bytes end, and nothing else does`, async () => {
    const random = testRandom('hostile bytes on the Kafka port');
    for (let round = 0; round < ROUNDS; round += 10)
      await Promise.all(Array.from({ length: 10 }, () => sendBytes(millrace.kafka, hostileBytes(random))));
    await readTopic(millrace.kafka, 'bystander');
  });

  test('INV-10: a connection that stops within a frame holds nobody up', async () => {
    const [host = '', port] = millrace.kafka.split(':');
    const stuck = Array.from({ length: 50 }, () => connect(Number(port), host));
    try {
      await Promise.all(
        stuck.map((socket) => new Promise((done) => socket.write(frame(Buffer.alloc(10), 90_000_000), done))),
      );
      await readTopic(millrace.kafka, 'bystander');
    } finally {
      for (const socket of stuck) socket.destroy();
    }
  });
});

describe('the REST port', () => {
  test(`INV-10: ${ROUNDS} requests of hostile bytes are refused or cut off`, async () => {
    const random = testRandom('hostile bytes on the REST port');
    const start = (): string =>
      `${random.pick(['GET', 'POST', 'PUT', 'X'])} /connectors HTTP/1.1\r\nhost: x\r\n`;
    for (let round = 0; round < ROUNDS; round += 10) {
      const bytes = (): Buffer =>
        random.pick([
          () => hostileBytes(random),
          () => Buffer.concat([Buffer.from(start()), random.bytes(200)]),
          () => Buffer.from(`${start()}content-length: ${random.pick(['-1', '1e9', '99', 'x'])}\r\n\r\n{"a"`),
          () =>
            Buffer.from(
              `${start()}content-length: 4\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{"a:`,
            ),
          () =>
            Buffer.from(
              `GET /${'%ff../'.repeat(random.int(1, 200))} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
            ),
        ])();
      await Promise.all(Array.from({ length: 10 }, () => sendBytes(restAddress(), bytes())));
    }
    expect((await millrace.request('GET', '/connectors')).status).toBe(200);
  });

  test('Bodies that are no JSON, or the wrong JSON, are answered in Connect’s form', async () => {
    const bodies = [
      '{"name": "x", ',
      '[]',
      '"text"',
      'null',
      '{"name": 1}',
      '{"name": "x", "config": 5}',
      '',
      '{"a":{"b":1}}',
    ];
    for (const body of bodies) {
      const url = `${millrace.rest}/connectors`;
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(url, { method: 'POST', body, headers });
      expect(response.status, body).toBeGreaterThanOrEqual(400);
      expect(response.status, body).toBeLessThanOrEqual(500);
      const answer = (await response.json()) as { error_code: number; message: string };
      expect(answer, body).toEqual({ error_code: response.status, message: expect.any(String) as string });
      expect(answer.message, body).not.toMatch(/\n\s+at /);
    }
  });

  test('A body without end is refused at a bound', async () => {
    const body = `{"name": "${'x'.repeat(30_000_000)}"}`;
    const answer = await fetch(`${millrace.rest}/connectors`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    }).then(
      (response) => response.status,
      () => 'cut off',
    );
    expect([400, 413, 500, 'cut off']).toContain(answer);
  });
});

describe('configs', () => {
  /** The answer to a config that is refused. */
  async function refused(config: Record<string, string>): Promise<string> {
    const { status, body } = await millrace.request('PUT', '/connectors/refused/config', config);
    const { message } = body as { message: string };
    expect(status, message).toBe(400);
    expect((await millrace.request('GET', '/connectors/refused')).status).toBe(404);
    return message;
  }

  test('A class that is not there is named, with those that are', async () => {
    const message = await refused({ 'connector.class': 'io.debezium.connector.oracle.OracleConnector' });
    expect(message).toContain('io.debezium.connector.oracle.OracleConnector');
    expect(message).toContain('io.debezium.connector.postgresql.PostgresConnector');
  });

  test('Each wrong value is named with its key and what is expected, all in one answer', async () => {
    const message = await refused(
      postgresSource(database, 'wrong', ['t'], {
        'snapshot.mode': 'sometimes',
        'max.batch.size': 'many',
        'tasks.max': '0',
        'decimal.handling.mode': 'exact',
      }),
    );
    for (const part of [
      'snapshot.mode',
      'when_needed',
      'max.batch.size',
      'tasks.max',
      'decimal.handling.mode',
      'precise',
    ])
      expect(message).toContain(part);
  });

  test('A server that cannot be reached, and a wrong password, are found before anything starts', async () => {
    const away = await refused(postgresSource({ ...pick(database), port: 1 }, 'away', ['t']));
    expect(away).toMatch(/127\.0\.0\.1|localhost|connect/i);
    const wrong = await refused(postgresSource({ ...pick(database), password: 'guess' }, 'away', ['t']));
    expect(wrong).toMatch(/password authentication failed/);
    expect(wrong, 'INV-11').not.toContain('guess');
  });

  test('A list that matches no table says so and what to do', async () => {
    const { status, body } = await millrace.request(
      'PUT',
      '/connectors/no-tables/config',
      postgresSource(database, 'none', ['no_such_table']),
    );
    let message = (body as { message?: string }).message ?? '';
    if (status < 300) {
      await eventually('the task fails', async () => {
        const [task] = (await connectorStatus(millrace, 'no-tables')).tasks;
        message = task?.trace ?? '';
        return task?.state === 'FAILED';
      });
      await millrace.request('DELETE', '/connectors/no-tables');
    }
    expect(message).toMatch(/table/i);
    expect(message).toMatch(/table\.include\.list/);
  });
});

describe('tables', () => {
  test('INV-6: updates of a table without replica identity are refused by Postgres, and the others go on', async () => {
    await database.query(`
      create table bare (id integer, name text);
      create table good (id integer primary key, name text);
      insert into bare values (1, 'first');
    `);
    await putConnector(millrace, 'bare', postgresSource(database, 'bare', ['bare', 'good']));
    await eventually(
      'the stream runs',
      async () => (await readTopic(millrace.kafka, 'bare.public.bare')).length === 1,
    );
    await eventually('a published table without identity refuses updates', async () => {
      const refusal = await database
        .query("update bare set name = 'x'")
        .catch((error: Error) => error.message);
      return typeof refusal === 'string' && refusal.includes('replica identity');
    });
    await database.query("insert into bare values (2, 'second')");
    await database.query("insert into good values (1, 'one'); update good set name = 'two'");
    await eventually('both tables deliver', async () => {
      const [bare, good] = await Promise.all([
        readTopic(millrace.kafka, 'bare.public.bare'),
        readTopic(millrace.kafka, 'bare.public.good'),
      ]);
      return bare.length === 2 && good.length === 2;
    });
    // Told not to send old rows at all, Postgres sends updates that carry no key of their own.
    await database.query("alter table bare replica identity full; update bare set name = 'y'");
    await eventually(
      'updates arrive',
      async () => (await readTopic(millrace.kafka, 'bare.public.bare')).length === 4,
    );
    expect((await connectorStatus(millrace, 'bare')).tasks[0]?.state).toBe('RUNNING');
  });

  test('INV-6: a record that a sink cannot write fails that sink alone, and its trace says why and what to do', async () => {
    await putConnector(millrace, 'picky', {
      'connector.class': 'FileStreamSink',
      file: path.join(folder, 'picky.txt'),
      topics: 'bystander',
      'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
      'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
    }).catch(() => undefined); // it may have failed before it was seen to run
    const trace = await eventually('the task fails', async () => {
      const [task] = (await connectorStatus(millrace, 'picky')).tasks;
      return task?.state === 'FAILED' ? task.trace : undefined;
    });
    expect(trace).toMatch(/^What to do: .*converter/m);
    expect((await millrace.request('DELETE', '/connectors/picky')).status).toBe(204);
  });
});

function pick({ host, port, user, password, name }: TestDatabase): {
  host: string;
  port: number;
  user: string;
  password: string;
  name: string;
} {
  return { host, port, user, password, name };
}
