// docker-compose.yml without a container engine: checked as a file, then each service's command and health check run
// as plain processes, with folders and ports of this machine in place of the containers'.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { freePort, type PostgresServer, startPostgres } from '@millrace/local-servers';
import { eventually, runCommand } from '@millrace/testkit';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

interface Service {
  readonly name: string;
  readonly command: readonly string[] | null;
  readonly healthcheck: readonly string[] | null;
  readonly environment: Readonly<Record<string, string>>;
}
interface Compose {
  readonly services: Readonly<Record<string, Record<string, unknown>>>;
}
interface CheckCompose {
  readonly readCompose: () => Compose;
  readonly composeProblems: (compose: Compose) => string[];
  readonly serviceCommands: (compose: Compose) => Service[];
}

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const { readCompose, composeProblems, serviceCommands } = (await import(
  pathToFileURL(path.join(root, 'scripts/check-compose.mjs')).href
)) as CheckCompose;

const services = new Map(serviceCommands(readCompose()).map((service) => [service.name, service]));
const folder = mkdtempSync(path.join(tmpdir(), 'millrace-deploy-'));
const children: ChildProcess[] = [];
const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;

let ports: {
  postgres: number;
  redis: number;
  rest: number;
  worker: number;
  clients: number;
  containers: number;
};
let postgres: PostgresServer;
let redis: Redis;

/** Command, health check and environment of a service. */
function serviceOf(name: string): Service & { readonly command: readonly string[] } {
  const service = services.get(name);
  if (!service?.command) throw new Error(`${name} has no command`);
  return { ...service, command: service.command };
}

/** A container's path, port or host as it is here. */
function here(text: string): string {
  return text
    .replace(/^\/app\//, `${root}/`)
    .replace(/^\/data$/, path.join(folder, 'data'))
    .replace(/^\/demo\//, `${root}/deploy/demo/`)
    .replace(/^\/examples\//, `${root}/examples/`)
    .replace(/^\/etc\/millrace\/server\.properties$/, path.join(folder, 'server.properties'))
    .replace('0.0.0.0:8083', `127.0.0.1:${ports.rest}`)
    .replace(/(127\.0\.0\.1|millrace):8083/, `127.0.0.1:${ports.rest}`)
    .replace('redis:6379', `127.0.0.1:${ports.redis}`)
    .replace(/^postgres$/, '127.0.0.1')
    .replace(/^5432$/, String(ports.postgres));
}

function environmentOf(service: Service): Record<string, string> {
  // Names and passwords stay as they are.
  const kept = /USER|PASSWORD/;
  return Object.fromEntries(
    Object.entries(service.environment).map(([key, value]) => [key, kept.test(key) ? value : here(value)]),
  );
}

/** Starts a service's command and leaves it running. */
function start(command: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
  const [program = '', ...args] = command;
  const child = spawn(program === 'node' ? process.execPath : program, args, {
    stdio: 'ignore',
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
  children.push(child);
  return child;
}

async function untilHealthy(
  check: readonly string[] | null,
  env: Record<string, string> = {},
): Promise<void> {
  const [program = '', ...args] = check ?? [];
  await eventually(`${program} ${args.join(' ')} succeeds`, async () => {
    const result = await runCommand(program === 'node' ? process.execPath : program, args, { env });
    return result.code === 0;
  });
}

beforeAll(async () => {
  ports = {
    postgres: await freePort(),
    redis: await freePort(),
    rest: await freePort(),
    worker: await freePort(),
    clients: await freePort(),
    containers: await freePort(),
  };
  const settings = readFileSync(path.join(root, 'deploy/server.properties'), 'utf8')
    .replaceAll(/\b19092\b/g, String(ports.worker))
    .replaceAll(/\b29092\b/g, String(ports.containers))
    .replaceAll(/\b9092\b/g, String(ports.clients))
    .replaceAll('0.0.0.0', '127.0.0.1');
  writeFileSync(path.join(folder, 'server.properties'), settings);
});

afterAll(async () => {
  redis?.disconnect();
  await Promise.all(
    children
      .filter((child) => child.exitCode === null && child.signalCode === null)
      .map((child) => {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGKILL');
        return ended;
      }),
  );
  await postgres?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe('docker-compose.yml', () => {
  test('It is valid, and all that it names is there', () => {
    expect(composeProblems(readCompose())).toEqual([]);
  });

  test('A file with mistakes is told all of them', () => {
    const compose = readCompose();
    const wrong = {
      services: {
        ...compose.services,
        load: {
          image: 'x',
          depends_on: { nobody: { condition: 'service_healthy' } },
          volumes: ['./nowhere:/x', 'gone:/y'],
        },
      },
    };
    expect(composeProblems(wrong)).toEqual(
      expect.arrayContaining([
        'load: depends on nobody, which is no service',
        'load: mounts ./nowhere, which is not there',
        'load: mounts the volume gone, which is not declared',
      ]),
    );
  });
});

describe('its services', () => {
  test('postgres: the settings of its command start a server, and the seed makes the shop', async () => {
    const { command, environment } = serviceOf('postgres');
    expect(command[0]).toBe('postgres');
    const settings = command.flatMap((argument, i) =>
      argument === '-c' ? [command[i + 1]?.split('=') ?? []] : [],
    );
    postgres = await startPostgres({
      port: ports.postgres,
      settings: Object.fromEntries(settings as [string, string][]),
    });
    const admin = new pg.Client({ connectionString: postgres.url() });
    await admin.connect();
    await admin.query(`create database "${environment['POSTGRES_DB']}"`);
    await admin.end();
    const shop = new pg.Client({ connectionString: postgres.url(environment['POSTGRES_DB']) });
    await shop.connect();
    await shop.query(readFileSync(path.join(root, 'deploy/demo/shop.sql'), 'utf8'));
    expect((await shop.query('select count(*)::int as n from customers')).rows).toEqual([{ n: 50 }]);
    expect((await shop.query('show wal_level')).rows).toEqual([{ wal_level: 'logical' }]);
    await shop.end();
  });

  test.skipIf(!has('pg_isready'))('postgres: its health check succeeds (needs pg_isready)', () =>
    untilHealthy(serviceOf('postgres').healthcheck, { PGPORT: String(ports.postgres) }),
  );

  test('redis: its command starts a server, and its health check succeeds', async () => {
    const { command, healthcheck } = serviceOf('redis');
    start([...command, '--port', String(ports.redis), '--dir', folder, '--bind', '127.0.0.1'], {});
    const [program = '', ...args] = healthcheck ?? [];
    await untilHealthy([program, '-p', String(ports.redis), ...args]);
    redis = new Redis(ports.redis, '127.0.0.1');
  });

  test('millrace: the image’s command starts it, and its health check succeeds', async () => {
    const service = serviceOf('millrace');
    const check = service.healthcheck?.map(here) ?? [];
    expect((await runCommand(process.execPath, check.slice(1))).code, 'unhealthy before it runs').toBe(1);
    start(service.command.map(here), environmentOf(service));
    await untilHealthy(check);
  });

  test('connectors: its command posts both connectors, and says so again when it is run again', async () => {
    const service = serviceOf('connectors');
    const run = () =>
      runCommand(process.execPath, service.command.slice(1).map(here), { env: environmentOf(service) });
    expect(await run()).toEqual({
      code: 0,
      stdout: 'shop-postgres-source: running (created)\nshop-redis-sink: running (created)\n',
      stderr: '',
    });
    expect((await run()).stdout).toContain('shop-redis-sink: running (updated)');
    await eventually('the snapshot is in the cache', () => redis.get('customers:1'));
  });

  test.skipIf(!has('psql'))(
    'load: its command changes the shop, and the changes reach Redis (needs psql)',
    async () => {
      const service = serviceOf('load');
      const psql = start(service.command.map(here), {
        ...environmentOf(service),
        PGDATABASE: 'shop',
        PGPORT: String(ports.postgres),
      });
      await eventually('a new order is in the cache', () => redis.get('orders:31'));
      await eventually('the load goes on', () => redis.get('orders:32'));
      expect(psql.exitCode).toBeNull();
    },
  );
});
