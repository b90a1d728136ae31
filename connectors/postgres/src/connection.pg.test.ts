// How connections are made, on servers of the test's own: TLS in each mode, logins bound to certificates, several hosts.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Struct } from '@millrace/data';
import { freePort, type PostgresServer, startPostgres } from '@millrace/local-servers';
import { eventually } from '@millrace/testkit';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ConnectionSettings, connect, openSession } from './connection.ts';
import { TaskDriver } from './fixtures/task-driver.ts';
import { testConfig } from './fixtures/test-config.ts';
import type { SslMode } from './tls.ts';

const certificate = (name: string): string =>
  fileURLToPath(new URL(`../../../testdata/certificates/${name}`, import.meta.url));

let server: PostgresServer;
const folder = mkdtempSync(path.join(tmpdir(), 'millrace-tls-'));
const target = (): { host: string; port: number; user: string; password: string; name: string } => ({
  host: server.host,
  port: server.port,
  user: 'postgres',
  password: 'postgres',
  name: 'postgres',
});
const settings = (more: Partial<ConnectionSettings> = {}): ConnectionSettings => ({
  host: server.host,
  port: server.port,
  user: 'postgres',
  password: 'postgres',
  database: 'postgres',
  sslMode: 'prefer',
  keepAlive: true,
  initialStatements: [],
  applicationName: 'test',
  ...more,
});

/** A file that the server reads: its own, and nobody else's. */
function give(name: string, to: string): void {
  const file = path.join(server.dataDir, to);
  copyFileSync(certificate(name), file);
  const { uid, gid } = statSync(server.dataDir);
  chownSync(file, uid, gid);
  // A key that others may read is refused.
  chmodSync(file, 0o600);
}

async function query(sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: server.url() });
  await client.connect();
  const { rows } = await client.query<Record<string, unknown>>(sql);
  await client.end();
  return rows;
}

async function tlsOf(client: pg.Client): Promise<{ ssl: boolean; dn: string | null }> {
  const { rows } = await client.query<{ ssl: boolean; dn: string | null }>(
    'select ssl, client_dn as dn from pg_stat_ssl where pid = pg_backend_pid()',
  );
  await client.end();
  return rows[0] ?? { ssl: false, dn: null };
}

/** Sets who may log in how. */
async function allow(...lines: readonly string[]): Promise<void> {
  const file = path.join(server.dataDir, 'pg_hba.conf');
  writeFileSync(file, `${lines.join('\n')}\n`);
  await query('select pg_reload_conf()');
  await eventually('the rules are read', async () => {
    const rows = await query('select count(*)::int as lines from pg_hba_file_rules');
    return rows[0]?.['lines'] === lines.length;
  });
}

const ADMIN = 'host all postgres 127.0.0.1/32 scram-sha-256';

beforeAll(async () => {
  server = await startPostgres({ fsync: false });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

describe('a server without TLS', () => {
  test.each(['disable', 'allow', 'prefer'] as const)('%s connects without it', async (sslMode) => {
    expect((await tlsOf(await connect(settings({ sslMode })))).ssl).toBe(false);
  });
  test.each(['require', 'verify-ca', 'verify-full'] as const)('%s refuses it', async (sslMode) => {
    await expect(openSession(settings({ sslMode }))).rejects.toMatchObject({ code: 'postgres.tls_failed' });
  });
});

describe('a server with TLS', () => {
  beforeAll(async () => {
    give('server.pem', 'server.crt');
    give('server.pem', 'server.key');
    give('ca.pem', 'root.crt');
    await query("alter system set ssl_ca_file = 'root.crt'");
    await query('alter system set ssl = on');
    await query('select pg_reload_conf()');
    await eventually('TLS is on', async () => (await query('show ssl'))[0]?.['ssl'] === 'on');
  });

  const root = certificate('ca.pem');
  test.each([
    ['disable', {}, false],
    ['allow', {}, false],
    ['prefer', {}, true],
    ['require', {}, true],
    // Java's driver looks at the authority only where it is asked to verify.
    ['require', { sslRootCert: certificate('stranger.pem') }, true],
    ['verify-ca', { sslRootCert: root }, true],
    ['verify-full', { sslRootCert: root }, true],
    ['verify-full', { sslRootCert: root, host: 'localhost' }, true],
  ] as [SslMode, Partial<ConnectionSettings>, boolean][])(
    '%s with %o: TLS is %s',
    async (sslMode, more, ssl) => {
      for (const kind of ['query', 'replication'] as const) {
        const client = await connect(settings({ sslMode, ...more }), kind);
        expect((await tlsOf(client)).ssl).toBe(ssl);
      }
    },
  );

  test.each(['verify-ca', 'verify-full'] as const)(
    '%s refuses an authority that is not in the file',
    async (sslMode) => {
      await expect(
        openSession(settings({ sslMode, sslRootCert: certificate('stranger.pem') })),
      ).rejects.toMatchObject({ code: 'postgres.tls_failed' });
    },
  );

  test('a root file that is not there is named with its key', async () => {
    const sslRootCert = path.join(folder, 'none.crt');
    await expect(openSession(settings({ sslMode: 'verify-full', sslRootCert }))).rejects.toMatchObject({
      code: 'postgres.tls_failed',
      configKey: 'database.sslrootcert',
    });
  });

  test('verify-full refuses a certificate for another host, which verify-ca takes', async () => {
    give('elsewhere.pem', 'server.crt');
    give('elsewhere.pem', 'server.key');
    await query('select pg_reload_conf()');
    await eventually('verify-full refuses', async () => {
      const failure = await openSession(settings({ sslMode: 'verify-full', sslRootCert: root })).catch(
        (error: unknown) => error,
      );
      if (!(failure instanceof Error)) await (failure as pg.Client).end();
      return failure instanceof Error && 'code' in failure && failure.code === 'postgres.tls_failed';
    });
    expect((await tlsOf(await connect(settings({ sslMode: 'verify-ca', sslRootCert: root })))).ssl).toBe(
      true,
    );
    give('server.pem', 'server.crt');
    give('server.pem', 'server.key');
    await query('select pg_reload_conf()');
    await eventually('the first certificate is back', async () => {
      const client = await connect(settings({ sslMode: 'verify-full', sslRootCert: root })).catch(
        () => undefined,
      );
      await client?.end();
      return client !== undefined;
    });
  });

  test('client certificates log in: keys in PEM, encrypted PEM, and DER as Java has them', async () => {
    await query('create role alice login replication');
    await allow(ADMIN, 'hostssl all alice 127.0.0.1/32 cert');
    const pem = certificate('alice.pem');
    const der = path.join(folder, 'alice.pk8');
    writeFileSync(der, createPrivateKey(readFileSync(pem)).export({ type: 'pkcs8', format: 'der' }));
    const crt = path.join(folder, 'alice.crt');
    writeFileSync(crt, new X509Certificate(readFileSync(pem)).raw);
    for (const files of [
      { sslCert: pem, sslKey: pem },
      {
        sslCert: certificate('alice-encrypted.pem'),
        sslKey: certificate('alice-encrypted.pem'),
        sslKeyPassword: 'key-secret',
      },
      { sslCert: crt, sslKey: der },
    ]) {
      const alice = settings({ user: 'alice', password: undefined, sslMode: 'require', ...files });
      expect(await tlsOf(await connect(alice))).toMatchObject({
        ssl: true,
        dn: expect.stringContaining('alice'),
      });
    }
    const mallory = certificate('mallory.pem');
    const refused = settings({
      user: 'alice',
      password: undefined,
      sslMode: 'require',
      sslCert: mallory,
      sslKey: mallory,
    });
    await expect(openSession(refused)).rejects.toMatchObject({ name: 'MillraceError' });
    await allow(ADMIN);
  });

  test('a login is bound to the certificate where the server offers it, and only where it does', async () => {
    const bound = settings({ sslMode: 'require', channelBinding: 'require' });
    expect((await tlsOf(await connect(bound))).ssl).toBe(true);
    expect(
      (await tlsOf(await connect(settings({ sslMode: 'require', channelBinding: 'disable' })))).ssl,
    ).toBe(true);
    await expect(
      openSession(settings({ sslMode: 'disable', channelBinding: 'require' })),
    ).rejects.toMatchObject({
      code: 'postgres.tls_failed',
      configKey: 'driver.channelBinding',
    });
  });

  test('a task captures over TLS that it verifies', async () => {
    await query('create table tls (id int primary key)');
    const config = testConfig(target(), 'tls_task', {
      'table.include.list': 'public.tls',
      'database.sslmode': 'verify-full',
      'database.sslrootcert': root,
      'driver.channelBinding': 'require',
    });
    await using driver = await TaskDriver.start(config);
    await query('insert into tls values (1)');
    await driver.until(1);
    const sessions = await query(
      "select bool_and(ssl) as ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'Millrace'",
    );
    expect(sessions).toEqual([{ ssl: true }]);
  });
});

describe('sessions', () => {
  test('the first host that answers is taken; what a server answers goes before what cannot be reached', async () => {
    const closed = await freePort();
    const hosts = `127.0.0.1:${closed},${server.host}:${server.port}`;
    const client = await connect(settings({ host: hosts, port: 1 }));
    expect(client.port).toBe(server.port);
    await client.end();
    const wrong = settings({ host: `${server.host}:${server.port},127.0.0.1:${closed}`, password: 'wrong' });
    await expect(openSession(wrong)).rejects.toMatchObject({ code: 'postgres.access_denied' });
    await expect(openSession(settings({ host: `127.0.0.1:${closed}` }))).rejects.toMatchObject({
      code: 'postgres.connection_failed',
    });
  });

  test('a primary or a standby is looked for where the config asks for one', async () => {
    for (const targetServer of ['primary', 'preferprimary', 'prefersecondary'] as const) {
      for (const kind of ['query', 'replication'] as const) {
        const client = await connect(settings({ targetServer }), kind);
        await client.end();
      }
    }
    await expect(openSession(settings({ targetServer: 'secondary' }))).rejects.toMatchObject({
      code: 'postgres.connection_failed',
      configKey: 'driver.targetServerType',
    });
  });

  test('database.initial.statements run on sessions of queries, and do not change the text of values', async () => {
    await query('create table init (id int primary key, at timestamptz, b bytea)');
    await query("insert into init values (1, '2024-01-02 03:04:05+00', '\\x00ff')");
    const config = testConfig(target(), 'init_task', {
      'table.include.list': 'public.init',
      'database.initial.statements':
        "set timezone = 'Asia/Tokyo'; set bytea_output = 'escape'; do $$ begin perform 1;; end $$; set search_path = pg_catalog",
    });
    await using driver = await TaskDriver.start(config);
    await driver.until(1);
    await query("insert into init values (2, '2024-01-02 03:04:05+00', '\\x00ff')");
    const [snapshot, stream] = (await driver.until(2)).map(({ record }) =>
      ((record.value as Struct).get('after') as Struct).toArray().slice(1),
    );
    expect(snapshot).toEqual(stream);
    expect(snapshot?.[0]).toBe('2024-01-02T03:04:05.000000Z');
    await expect(openSession(settings({ initialStatements: ['nonsense'] }))).rejects.toMatchObject({
      configKey: 'database.initial.statements',
    });
  });

  test.runIf(process.platform === 'linux')(
    'probes idle connections where database.tcpKeepAlive says so',
    async () => {
      // Of each socket of this machine: both ports, and the timer that runs on it (2 = keep-alive). Sockets to other
      // servers may have the same local port.
      const hex = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');
      const timerOf = (local: number, remote: number): string | undefined => {
        const ports = new RegExp(`^\\s*\\d+: [0-9A-F]+:${hex(local)} [0-9A-F]+:${hex(remote)} `);
        const line = readFileSync('/proc/net/tcp', 'utf8')
          .split('\n')
          .find((one) => ports.test(one));
        return line?.trim().split(/\s+/)[5]?.slice(0, 2);
      };
      for (const keepAlive of [true, false]) {
        const client = await connect(settings({ keepAlive, sslMode: 'disable' }));
        const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
        const { localPort = 0, remotePort = 0 } = stream;
        const expected = keepAlive ? '02' : '00';
        await eventually('the timer of the socket', () => timerOf(localPort, remotePort) === expected);
        await client.end();
      }
    },
  );
});
