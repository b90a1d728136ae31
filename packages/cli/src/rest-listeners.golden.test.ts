// Listeners, logins, cross-origin requests and headers of REST, against what a real Connect 4.3.1 answered.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '@millrace/local-servers';
import { type MillraceProcess, startMillrace } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificate } from './testing/secured.ts';

interface Answer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}
interface Step {
  readonly step: string;
  readonly listener: 'main' | 'https' | 'admin';
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body?: string;
  readonly answer: Answer;
}

function recorded(name: string): Step[] {
  const file = new URL(`../../../testdata/recorded/connect-listeners/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(fileURLToPath(file), 'utf8')) as Step[];
}

/** Sends exactly these headers. */
async function send(
  base: string,
  { method, path: target, headers, body }: Omit<Step, 'answer'>,
): Promise<Answer> {
  const url = new URL(target, base);
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = { method, headers: Object.fromEntries(headers), ca: readFileSync(certificate('ca.pem')) };
    request(url, options, resolve).once('error', reject).end(body);
  });
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  const pairs: [string, string][] = [];
  for (let i = 0; i < answer.rawHeaders.length; i += 2) {
    pairs.push([(answer.rawHeaders[i] ?? '').toLowerCase(), answer.rawHeaders[i + 1] ?? '']);
  }
  return { status: answer.statusCode ?? 0, headers: pairs, body: Buffer.concat(chunks).toString('utf8') };
}

/** The recorded headers, lists of methods in one order. */
function comparable(answer: Answer, names: ReadonlySet<string>): unknown {
  const headers = answer.headers
    .filter(([name]) => names.has(name))
    .map(
      ([name, value]) =>
        `${name}: ${/^(allow|.*-methods)$/.test(name) ? value.split(',').sort().join() : value}`,
    )
    .sort();
  const isList = /^[A-Z]+(, [A-Z]+)+$/.test(answer.body);
  return { ...answer, headers, body: isList ? answer.body.split(', ').sort().join() : answer.body };
}

/** Steps that answer otherwise on purpose: what is other, and why it is in SKIPPED.md. */
const DIFFERENT: Readonly<Record<string, Partial<Answer>>> = {
  // A login that is no base64 is a wrong login.
  'no-base64': { status: 401, body: 'User cannot access the resource.' },
  // Orchestrators look without a login, and are told no more than the state.
  'no-login-health': { status: 200, body: '{"status":"healthy"}' },
  // Browsers ask without a login whether they may send one.
  preflight: { status: 200, body: 'HEAD, POST, GET, OPTIONS' },
};
/** The version and the cluster are ours, the level that the logs begin with, and the words for a body without a config. */
const OWN_BODY = new Set([
  'login-root',
  'star-post',
  'star-vary',
  'admin-loggers',
  'admin-loggers-login',
  'admin-cors',
]);

function check(step: Step, ours: Answer, mayLogIn: boolean): void {
  const expected = { ...step.answer, ...DIFFERENT[step.step] };
  const names = new Set(['access-control-allow-origin', ...expected.headers.map(([name]) => name)]);
  // It counts what differs.
  if (DIFFERENT[step.step] || OWN_BODY.has(step.step)) names.delete('content-length');
  // Where logins are asked for, pages may send one.
  const headers = expected.headers.map(([name, value]) => {
    const more = name === 'access-control-allow-headers' && mayLogIn ? ',Authorization' : '';
    return [name, `${value}${more}`] as const;
  });
  const body = OWN_BODY.has(step.step) ? ours.body : expected.body;
  expect(comparable(ours, names)).toEqual(comparable({ ...expected, headers, body }, names));
}

describe('several listeners with logins', () => {
  let folder: string;
  let millrace: MillraceProcess;
  const at = { main: '', https: '', admin: '' };
  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'millrace-listeners-'));
    const users = path.join(folder, 'users.properties');
    writeFileSync(users, 'alice=alice-secret\nbob=b:ob secret\n');
    const module = 'org.apache.kafka.connect.rest.basic.auth.extension';
    const login = path.join(folder, 'login.conf');
    writeFileSync(
      login,
      `KafkaConnect { ${module}.PropertyFileLoginModule required\n file="${users}";\n};\n`,
    );
    at.main = `http://127.0.0.1:${await freePort()}`;
    at.https = `https://localhost:${await freePort()}`;
    at.admin = `http://127.0.0.1:${await freePort()}`;
    millrace = await startMillrace({
      properties: {
        listeners: `${at.main},${at.https}`,
        'admin.listeners': at.admin,
        'listeners.https.ssl.keystore.location': certificate('server.p12'),
        'listeners.https.ssl.keystore.password': 'store-secret',
        'listeners.https.ssl.keystore.type': 'PKCS12',
        'access.control.allow.origin': 'http://a.example,https://b.example',
        'access.control.allow.methods': 'GET,POST,PUT',
        'response.http.headers.config':
          'add X-Test: one, "set X-Quoted: a, b", setDate Expires: 3600000, addDate X-Date: 0, add X-Test: two',
        'rest.extension.classes': `${module}.BasicAuthSecurityRestExtension`,
      },
      env: { KAFKA_OPTS: `-Xmx1g -Djava.security.auth.login.config=${login}` },
      args: ['--log-level', 'trace'],
    });
  }, 60_000);
  afterAll(async () => {
    await millrace[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(recorded('secured').map((step) => [`${step.listener}/${step.step}`, step] as const))(
    '%s',
    async (_name, step) => {
      check(step, await send(at[step.listener], step), true);
    },
  );

  it('name the way to log in', async () => {
    const none = { step: '', listener: 'main', method: 'GET', path: '/connectors', headers: [] } as const;
    const { headers } = await send(at.main, none);
    expect(headers).toContainEqual(['www-authenticate', 'Basic realm="Kafka Connect"']);
  });

  it('INV-11: passwords are in no log, at whatever level', () => {
    for (const secret of ['alice-secret', 'b:ob secret', 'store-secret', 'YWxpY2U6']) {
      expect(millrace.logs).not.toContain(secret);
    }
  });
});

describe('listeners without administration, open to every origin', () => {
  let millrace: MillraceProcess;
  beforeAll(async () => {
    millrace = await startMillrace({
      properties: {
        listeners: `http://127.0.0.1:${await freePort()}`,
        'admin.listeners': '',
        'access.control.allow.origin': '*',
      },
    });
  }, 60_000);
  afterAll(async () => {
    await millrace[Symbol.asyncDispose]();
  });

  it.each(recorded('open').map((step) => [step.step, step] as const))('%s', async (_name, step) => {
    check(step, await send(millrace.rest, step), false);
  });
});
