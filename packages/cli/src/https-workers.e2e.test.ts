// Workers that reach each other over HTTPS and want to know who asks.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort } from '@millrace/local-servers';
import { eventually, type MillraceProcess, startMillrace } from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './testing/broker-process.ts';
import { fileSource, untilLine } from './testing/numbered-lines.ts';
import { certificate } from './testing/secured.ts';
import { group } from './testing/workers.ts';

const AUTHORIZATION = `Basic ${Buffer.from('alice:alice-secret').toString('base64')}`;
const folder = mkdtempSync(path.join(tmpdir(), 'millrace-https-'));
let broker: BrokerProcess;
beforeAll(async () => {
  broker = await startBrokerProcess();
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function start(name: string, more: Readonly<Record<string, string>>): Promise<MillraceProcess> {
  const users = path.join(folder, 'users.properties');
  writeFileSync(users, 'alice=alice-secret\n');
  return await startMillrace({
    bootstrapServers: broker.kafka,
    properties: {
      ...group(name),
      listeners: `http://127.0.0.1:${await freePort()},https://localhost:${await freePort()}`,
      'rest.advertised.listener': 'https',
      'listeners.https.ssl.keystore.location': certificate('server.pem'),
      'rest.extension.classes':
        'org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension',
      'rest.basic.auth.users.file': users,
      ...more,
    },
  });
}

async function ask(
  worker: MillraceProcess,
  method: string,
  target: string,
  body?: unknown,
  authorization = AUTHORIZATION,
): Promise<{ status: number; text: string; location: string | null }> {
  const answer = await fetch(worker.rest + target, {
    method,
    headers: { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, text: await answer.text(), location: answer.headers.get('location') };
}

test('pass on what they are asked, login and all, and hand each other tasks', {
  timeout: 120_000,
}, async () => {
  const trust = { 'listeners.https.ssl.truststore.location': certificate('ca.pem') };
  await using first = await start('https', trust);
  await using second = await start('https', trust);
  for (const [i, worker] of [first, second].entries()) {
    const file = path.join(folder, `lines-${i}`);
    writeFileSync(file, '0\n');
    const body = { name: `c${i}`, config: fileSource(file, `https-${i}`) };
    expect((await ask(worker, 'POST', '/connectors', body, 'Basic eDp5')).status).toBe(401);
    const { status, text, location } = await ask(worker, 'POST', '/connectors', body);
    expect([status, text.slice(0, 13), location]).toEqual([
      201,
      `{"name":"c${i}",`,
      `${worker.rest}/connectors/c${i}`,
    ]);
  }
  for (const i of [0, 1]) await untilLine(broker.kafka, `https-${i}`, 1);
  await eventually(
    'each runs one, under the address that is advertised',
    async () => {
      const { text } = await ask(first, 'GET', '/connectors?expand=status');
      const all = JSON.parse(text) as Record<string, { status: { tasks: { worker_id: string }[] } }>;
      const places = Object.values(all).flatMap(({ status }) => status.tasks.map((task) => task.worker_id));
      return new Set(places).size === 2 && places.every((place) => place.startsWith('localhost:'));
    },
    60_000,
  );
});

test('say why when they do not trust each other', { timeout: 120_000 }, async () => {
  await using first = await start('https-alone', {});
  await using second = await start('https-alone', {});
  const answers = await Promise.all(
    [first, second].map((worker) => ask(worker, 'DELETE', '/connectors/nothing')),
  );
  expect(answers.map(({ status }) => String(status)).sort()).toEqual(['404', '500']);
  expect(answers.find(({ status }) => status === 500)?.text).toMatch(
    /IO Error trying to forward REST request: .*certificate/,
  );
});
