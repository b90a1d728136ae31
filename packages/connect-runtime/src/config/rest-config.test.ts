import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RestConfig, restConfig } from './rest-config.ts';
import { Users } from './rest-users.ts';
import { parseWorkerConfig } from './worker-config.ts';

const certificate = (name: string): string =>
  fileURLToPath(new URL(`../../../../testdata/certificates/${name}`, import.meta.url));
const configOf = (properties: Record<string, string>, env: Record<string, string> = {}): RestConfig =>
  restConfig(parseWorkerConfig(properties), env);
function problem(properties: Record<string, string>, env: Record<string, string> = {}): [string, string] {
  try {
    configOf(properties, env);
  } catch (error) {
    const { message, configKey } = error as { message: string; configKey?: string };
    return [configKey ?? '', message];
  }
  throw new Error('nothing was refused');
}

describe('listeners', () => {
  it('are read in all forms of Connect', () => {
    const listeners = 'HTTP://myhost:8083, https://[::1]:0,http://:8085,http://0.0.0.0:8086';
    const { listeners: found } = configOf({
      listeners,
      'ssl.keystore.location': certificate('server.pem'),
    });
    expect(found).toEqual([
      { protocol: 'http', host: 'myhost', port: 8083 },
      { protocol: 'https', host: '::1', port: 0 },
      { protocol: 'http', host: '', port: 8085 },
      { protocol: 'http', host: '0.0.0.0', port: 8086 },
    ]);
  });

  it('take the old keys where they stand alone', () => {
    expect(configOf({ 'rest.port': '9999', 'rest.host.name': 'h' }).listeners).toEqual([
      { protocol: 'http', host: 'h', port: 9999 },
    ]);
    expect(configOf({ 'rest.port': '9999', listeners: 'http://:1' }).listeners[0]?.port).toBe(1);
  });

  it.each([
    [
      { listeners: '127.0.0.1:8083' },
      'listeners',
      /doesn't have the right format \(protocol:\/\/hostname:port\)/,
    ],
    [{ listeners: 'http://127.0.0.1' }, 'listeners', /right format/],
    [{ listeners: 'http://127.0.0.1:65536' }, 'listeners', /right format/],
    [{ listeners: 'ftp://127.0.0.1:1' }, 'listeners', /must be either "http" or "https"/],
    [{ listeners: '' }, 'listeners', /at least one URL is expected/],
    [{ 'admin.listeners': 'nope' }, 'admin.listeners', /right format/],
    [{ 'rest.advertised.listener': 'ftp' }, 'rest.advertised.listener', /one of: http, https/],
    [{ listeners: 'https://:1' }, 'listeners.https.ssl.keystore.location', /needs a certificate/],
    [{ 'admin.listeners': 'https://:1' }, 'admin.listeners.https.ssl.keystore.location', /certificate/],
    [
      { listeners: 'https://:1', 'listeners.https.ssl.keystore.location': '/nowhere/k.pem' },
      'listeners.https.ssl.keystore.location',
      /cannot be read/,
    ],
    [
      {
        listeners: 'https://:1',
        'listeners.https.ssl.keystore.location': certificate('server.p12'),
        'listeners.https.ssl.keystore.password': 'hunter2',
      },
      'listeners.https.ssl.keystore.location',
      /cannot be used/,
    ],
    [
      {
        listeners: 'https://:1',
        'ssl.keystore.location': certificate('server.pem'),
        'ssl.client.auth': 'maybe',
      },
      'ssl.client.auth',
      /one of: required, requested, none/,
    ],
    [{ 'access.control.allow.origin': 'https://(a' }, 'access.control.allow.origin', /Unclosed group/],
    [
      { 'rest.extension.classes': 'com.example.Audit' },
      'rest.extension.classes',
      /com\.example\.Audit, a Java class/,
    ],
  ])('INV-10: refuse %j', (properties, key, message) => {
    const [configKey, text] = problem(properties as Record<string, string>);
    expect(configKey).toBe(key);
    expect(text).toMatch(message);
    expect(text).not.toContain('hunter2');
  });

  it('have administration on the others when the key is absent, nowhere when it is empty', () => {
    expect(configOf({}).adminListeners).toBeNull();
    expect(configOf({ 'admin.listeners': '' }).adminListeners).toEqual([]);
    expect(configOf({ 'admin.listeners': 'http://:1' }).adminListeners).toHaveLength(1);
  });

  it('are advertised as http where one of them is, unless the config says otherwise', () => {
    const tls = { 'ssl.keystore.location': certificate('server.pem') };
    const protocol = (listeners: string, more: Record<string, string> = {}): string =>
      configOf({ ...tls, listeners, ...more }).advertised.protocol;
    expect(protocol('https://:1,http://:2')).toBe('http');
    expect(protocol('https://:1')).toBe('https');
    expect(protocol('https://:1,http://:2', { 'rest.advertised.listener': 'HTTPS' })).toBe('https');
  });
});

describe('response.http.headers.config', () => {
  const rules = (text: string): RestConfig['headers'] =>
    configOf({ 'response.http.headers.config': text }).headers;

  it('has actions, names and values, also with commas in quotes', () => {
    expect(rules('ADD X-A: 1, "set X-B: a, \\"b\\"",setDate Expires: 5')).toEqual([
      { action: 'add', name: 'X-A', value: '1' },
      { action: 'set', name: 'X-B', value: 'a, "b"' },
      { action: 'setDate', name: 'Expires', value: '5' },
    ]);
  });

  // The first four texts are those of a real worker.
  it.each([
    ['put X: y', "Invalid header config action: 'put'. Expected one of [set, add, setDate, addDate]"],
    [
      'add X',
      "Invalid format of header name and header value pair 'X'. Expected: '[header name]:[header value]'",
    ],
    ['add X y: z', "Invalid header name 'X y'. The '[header name]' cannot contain whitespace"],
    [
      'add X: y:z',
      "Invalid format of header name and header value pair 'X: y:z'. Expected: '[header name]:[header value]'",
    ],
    ['add', "Invalid format of header config 'add'. Expected: '[action] [header name]:[header value]'"],
    [
      'setDate X: y',
      "Invalid header config 'setDate X: y'. The value of setDate is a number of milliseconds",
    ],
    ['add X: \u0001', "Invalid header config 'add X: \u0001'."],
  ])('INV-10: refuses %s', (text, message) => {
    const [key, found] = problem({ 'response.http.headers.config': text });
    expect(key).toBe('response.http.headers.config');
    expect(found).toBe(message);
  });
});

describe('who may log in', () => {
  const module = 'org.apache.kafka.connect.rest.basic.auth.extension';
  const asks = { 'rest.extension.classes': `${module}.BasicAuthSecurityRestExtension` };
  let folder: string;
  const file = (name: string, text: string): string => {
    const at = path.join(folder, name);
    writeFileSync(at, text);
    return at;
  };
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'millrace-users-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;

  it('stands in a file that three ways lead to', () => {
    const users = file('users', 'alice=secret\nbob=b:ob secret\n');
    const login = file(
      'login.conf',
      `Other { a.B required; };\nKafkaConnect {\n ${module}.PropertyFileLoginModule required file="${users}"; };`,
    );
    for (const found of [
      configOf({ ...asks, 'rest.basic.auth.users.file': users }),
      configOf({ ...asks, 'java.security.auth.login.config': login }),
      configOf(asks, { KAFKA_OPTS: `-Xmx1g -Djava.security.auth.login.config=${login} -ea` }),
    ]) {
      expect(found.users?.allows(basic('bob:b:ob secret'))).toBe(true);
      expect(found.users?.allows(basic('bob:b'))).toBe(false);
    }
    expect(configOf({}).users).toBeNull();
  });

  it.each([
    ['rest.basic.auth.users.file', '/nowhere', /cannot be read/],
    ['rest.basic.auth.users.file', '', /has no users/],
    ['java.security.auth.login.config', 'KafkaConnect { a.B required; };', /has no entry KafkaConnect with/],
    [
      'java.security.auth.login.config',
      `Connect { ${module}.PropertyFileLoginModule required; };`,
      /no entry/,
    ],
    [
      'java.security.auth.login.config',
      `KafkaConnect { ${module}.PropertyFileLoginModule required; };`,
      /no option file/,
    ],
    ['java.security.auth.login.config', 'KafkaConnect { hunter2', /no login configuration/],
  ])('INV-11: %s is refused when nobody could log in: %s', (key, text, message) => {
    const [configKey, found] = problem({ ...asks, [key]: text === '/nowhere' ? text : file('wrong', text) });
    expect(configKey).toBe(key);
    expect(found).toMatch(message);
    expect(found).not.toContain('hunter2');
  });

  it('needs a file where logins are asked for', () => {
    expect(problem(asks)).toEqual([
      'rest.basic.auth.users.file',
      expect.stringMatching(/no users are named/),
    ]);
  });

  it('INV-10: is nobody with a header that is no login', () => {
    const users = new Users([
      ['alice', 'secret'],
      ['', 'empty'],
    ]);
    expect(users.allows(basic('alice:secret').replace('Basic', 'bASIC'))).toBe(true);
    for (const header of [
      undefined,
      '',
      'Basic',
      'Basic !!!',
      basic('alice'),
      basic(':empty'),
      basic('alice:'),
      'Bearer x',
      `Basic ${'A'.repeat(100_000)}`,
    ]) {
      expect(users.allows(header)).toBe(false);
    }
  });
});
