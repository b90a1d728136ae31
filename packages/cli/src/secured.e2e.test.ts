// `millrace start` with a bundled broker whose every listener is secured: the worker logs in as the broker's config says,
// tasks as the worker's or their own, and nobody's password shows anywhere.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, type MillraceProcess, runMillrace, startMillrace } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jaas, saslClient, securedBroker } from './testing/secured.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'millrace-secured-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TEXT = { 'value.converter': 'org.apache.kafka.connect.storage.StringConverter' };

async function flowing(
  millrace: MillraceProcess,
  name: string,
  config: Record<string, string>,
): Promise<void> {
  const [input, output] = ['in', 'out'].map((kind) => path.join(folder, `${name}.${kind}`)) as [
    string,
    string,
  ];
  writeFileSync(input, 'one\ntwo\n');
  for (const [connector, settings] of [
    [`${name}-source`, { 'connector.class': 'FileStreamSource', file: input, topic: name, ...config }],
    [`${name}-sink`, { 'connector.class': 'FileStreamSink', file: output, topics: name }],
  ] as const) {
    const { status, body } = await millrace.request('POST', '/connectors', {
      name: connector,
      config: { ...TEXT, ...settings },
    });
    expect(status, JSON.stringify(body)).toBe(201);
  }
  const arrived = async (): Promise<boolean> =>
    existsSync(output) && readFileSync(output, 'utf8') === 'one\ntwo\n';
  await eventually(`${name} flows`, arrived, 20_000).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${millrace.logs.slice(-3000)}`);
  });
}

async function traceOf(millrace: MillraceProcess, connector: string): Promise<string> {
  let trace = '';
  await eventually(
    `a task of ${connector} has failed`,
    async () => {
      const { body } = await millrace.request('GET', `/connectors/${connector}/status`);
      trace = (body as { tasks?: { state: string; trace?: string }[] }).tasks?.[0]?.trace ?? '';
      return trace !== '';
    },
    20_000,
  );
  return trace;
}

describe('millrace start, all listeners secured', () => {
  it("logs in with the broker's own user, over TLS whose certificate the broker's trust store vouches for", async () => {
    await using millrace = await startMillrace({
      brokerProperties: (kafka) => ({
        ...securedBroker(`SASL_SSL://${kafka}`),
        'sasl.mechanism.inter.broker.protocol': 'SCRAM-SHA-512',
      }),
    });
    await flowing(millrace, 'inside', {});
    expect(millrace.logs).not.toMatch(/admin-secret|alice-secret|LoginModule/);
  });

  it('lets a connector write as somebody else, whose rights then count, and says what is missing', async () => {
    const alice = (password: string): Record<string, string> => ({
      'producer.override.sasl.jaas.config': jaas('PLAIN', 'alice', password),
    });
    await using millrace = await startMillrace({
      properties: saslClient('SASL_PLAINTEXT', 'PLAIN'),
      brokerProperties: (kafka) => securedBroker(`SASL_PLAINTEXT://${kafka}`),
    });
    await flowing(millrace, 'own', {});
    const input = path.join(folder, 'refused.in');
    writeFileSync(input, 'one\n');
    for (const [name, password, reason] of [
      ['guess', 'hunter2', /SaslAuthenticationException.*[\s\S]*What to do/],
      ['rights', 'alice-secret', /TOPIC_AUTHORIZATION_FAILED|TopicAuthorizationException/],
    ] as const) {
      const { status } = await millrace.request('POST', '/connectors', {
        name,
        config: {
          'connector.class': 'FileStreamSource',
          file: input,
          topic: name,
          ...TEXT,
          ...alice(password),
        },
      });
      expect(status).toBe(201);
      const trace = await traceOf(millrace, name);
      expect(trace).toMatch(reason);
      expect(trace).not.toMatch(/hunter2|alice-secret/);
    }
    expect(millrace.logs).not.toMatch(/hunter2|alice-secret|admin-secret/);
  });

  it('says at start what is wrong with a login, and ends', async () => {
    const started = startMillrace({
      properties: saslClient('SASL_PLAINTEXT', 'PLAIN', 'wrong-guess'),
      brokerProperties: (kafka) => securedBroker(`SASL_PLAINTEXT://${kafka}`),
    });
    await expect(started).rejects.toThrow(/Invalid username or password/);
    await expect(started).rejects.not.toThrow('wrong-guess');
  });
});

it('A broker config that cannot work is refused by key, without a secret', async () => {
  const file = path.join(folder, 'server.properties');
  writeFileSync(
    file,
    'listeners=SASL_PLAINTEXT://127.0.0.1:0\nsasl.enabled.mechanisms=PLAIN\n' +
      'listener.name.sasl_plaintext.plain.sasl.jaas.config=Module required user_admin="hunter2\n',
  );
  const data = path.join(folder, 'data');
  const { code, stderr } = await runMillrace(['broker', '--config', file, '--data', data]);
  expect(code).toBe(2);
  expect(stderr).toContain('listener.name.sasl_plaintext.plain.sasl.jaas.config');
  expect(stderr).not.toContain('hunter2');
});
