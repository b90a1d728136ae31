// `millrace demo` as a user starts it: what it prints, how it ends, and that it leaves nothing behind.

import type { ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePort, portIsFree } from '@millrace/local-servers';
import { eventually, runMillrace } from '@millrace/testkit';
import { afterAll, expect, test } from 'vitest';
import { withBrokerAlone } from './testing/broker-alone.ts';
import { readTopic } from './testing/topic-reader.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'millrace-demo-test-'));
// Started as root, Postgres runs as another user, who has to pass through here.
chmodSync(folder, 0o755);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Temporary files go into a folder of the test's own, to see what is left there. */
function demoEnvironment(): { readonly temp: string; readonly env: Record<string, string> } {
  const temp = mkdtempSync(path.join(folder, 'tmp-'));
  chmodSync(temp, 0o777);
  return { temp, env: { TMPDIR: temp, NO_COLOR: '1' } };
}

async function addresses(): Promise<string[]> {
  return ['--kafka', `127.0.0.1:${await freePort()}`, '--rest', `127.0.0.1:${await freePort()}`];
}

/** Command lines of processes that name a folder. */
function processesIn(name: string): string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && entry !== String(process.pid))
    .flatMap((entry) => {
      try {
        return [readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ')];
      } catch {
        return []; // it has ended meanwhile
      }
    })
    .filter((line) => line.includes(name));
}

const FIRST_EVENT = /^First event \d+\.\d+ s after the command\.$/m;
const COMMIT_TO_CACHE =
  /^A change reached the cache \d+\.\d+ s after its commit: customers:1 -> Demo \d+\.$/m;

test('--once ends with 0 after the first change, prints both figures and leaves nothing behind', async () => {
  const { temp, env } = demoEnvironment();
  const result = await runMillrace(['demo', '--once', ...(await addresses())], { env });
  expect(result).toMatchObject({ code: 0, stderr: '' });
  expect(result.stdout).toMatch(FIRST_EVENT);
  expect(result.stdout).toMatch(COMMIT_TO_CACHE);
  const left = readdirSync(temp).filter((name) => !name.startsWith('millrace-postgres-'));
  expect(left, 'the data folder').toEqual([]);
  expect(processesIn(temp)).toEqual([]);
});

test('--workers 3 shares the connectors among three processes, and ends them all', async () => {
  const { temp, env } = demoEnvironment();
  const kafka = `127.0.0.1:${await freePort()}`;
  const rest = await eventually('three free ports in a row', async () => {
    const first = await freePort();
    const free = await Promise.all([first + 1, first + 2].map((port) => portIsFree(port)));
    return free.every(Boolean) && first;
  });
  const args = ['demo', '--once', '--workers', '3', '--kafka', kafka, '--rest', `127.0.0.1:${rest}`];
  const result = await runMillrace(args, { env });
  expect(result).toMatchObject({ code: 0, stderr: '' });
  for (const port of [rest + 1, rest + 2]) {
    expect(result.stdout).toContain(`Another worker answers at http://127.0.0.1:${port}\n`);
  }
  expect(result.stdout).toMatch(COMMIT_TO_CACHE);
  expect(processesIn(temp)).toEqual([]);
  expect(readdirSync(temp).filter((name) => !name.startsWith('millrace-postgres-'))).toEqual([]);
});

test('A second start on the same folder goes on where it stopped', async () => {
  const { temp, env } = demoEnvironment();
  const data = path.join(temp, 'kept');
  const once = ['demo', '--once', '--data', data];
  expect(await runMillrace([...once, ...(await addresses())], { env })).toMatchObject({ code: 0 });
  expect(existsSync(path.join(data, 'millrace'))).toBe(true);
  const second = await runMillrace([...once, ...(await addresses())], { env });
  expect(second).toMatchObject({ code: 0, stderr: '' });
  expect(second.stdout).toMatch(COMMIT_TO_CACHE);
  const kafka = `127.0.0.1:${await freePort()}`;
  const customers = await withBrokerAlone(path.join(data, 'millrace'), kafka, () =>
    readTopic(kafka, 'shop.public.customers'),
  );
  const read = customers.filter(({ value }) => value?.includes('"op":"r"'));
  expect(read.length, 'rows of the one snapshot').toBe(50);
  expect(processesIn(data)).toEqual([]);
});

test('Ctrl-C stops everything, leaves no process and no folder', async () => {
  const { temp, env } = demoEnvironment();
  let child: ChildProcess | undefined;
  let printed = '';
  const ended = runMillrace(['demo', ...(await addresses())], {
    env,
    onStart: (started) => {
      child = started;
      started.stdout?.on('data', (chunk: Buffer) => {
        printed += chunk.toString();
      });
    },
  });
  await eventually('records are shown', () => /\d+ records, .* last /.test(printed));
  child?.kill('SIGINT');
  const result = await ended;
  expect(result.code).toBe(0);
  expect(processesIn(temp)).toEqual([]);
  expect(readdirSync(temp).filter((name) => !name.startsWith('millrace-postgres-'))).toEqual([]);
});

test('A port that is taken is named with its owner and with how to choose another; exit code 3', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  try {
    for (const flag of ['--kafka', '--rest']) {
      const result = await runMillrace(['demo', '--once', ...(await addresses()), flag, `127.0.0.1:${port}`]);
      expect(result).toMatchObject({ code: 3, stdout: '' });
      expect(result.stderr).toContain(`Port ${port} on 127.0.0.1 is taken`);
      expect(result.stderr).toContain(flag);
      // Who listens is known where the system tells.
      expect(result.stderr).toMatch(new RegExp(`(node|${process.pid}|another program).* listens there`));
    }
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});
