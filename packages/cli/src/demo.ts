// `millrace demo`: the shop on a real Postgres, through Millrace, into a real Redis.
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type DemoOptions, runDemo } from '@millrace/demo';
import { portIsFree, portOwner } from '@millrace/local-servers';
import type { Command } from 'commander';
import { type HostPort, parseHostPort } from './addresses.ts';
import { CliError } from './client/cli-error.ts';
import { RunningParts } from './running.ts';
import { startMillrace } from './start.ts';

interface DemoFlags {
  readonly once?: true;
  readonly keep?: true;
  readonly data?: string;
  readonly kafka: string;
  readonly rest: string;
}

const KEPT_FOLDER = '.demo';

/** Set by `npm run demo`, which installs and builds first. */
const STARTED_MS = process.env['MILLRACE_DEMO_STARTED_MS'];

export function registerDemo(program: Command): void {
  program
    .command('demo')
    .description('show it working: Postgres, broker, worker, REST and a Redis cache that follows')
    .option('--once', 'end when the first change has reached the cache, and print how long it took')
    .option(
      '--keep',
      `keep the data folder (${KEPT_FOLDER}, or --data); the next start goes on where it stopped`,
    )
    .option('--data <dir>', 'data folder')
    .option('--kafka <host:port>', 'where the broker listens', '127.0.0.1:9092')
    .option('--rest <host:port>', 'where REST listens', '127.0.0.1:8083')
    .action(async (flags: DemoFlags) => {
      await requireFree(parseHostPort(flags.kafka, '--kafka'), '--kafka');
      await requireFree(parseHostPort(flags.rest, '--rest'), '--rest');
      await demo(flags);
    });
}

async function demo(flags: DemoFlags): Promise<void> {
  const folder = folderOf(flags);
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());
  const parts = new RunningParts();
  const options: DemoOptions = {
    folder,
    keep: flags.keep === true || flags.data !== undefined,
    once: flags.once === true,
    startedAtMs: Number(STARTED_MS ?? Date.now()),
    signal: interrupted.signal,
    say: (line) => void process.stdout.write(`${line}\n`),
    startMillrace: async (data) => {
      mkdirSync(data, { recursive: true });
      return startMillrace(
        undefined,
        {
          data,
          kafka: flags.kafka,
          rest: flags.rest,
          logLevel: 'info',
          logFile: path.join(folder, 'millrace.log'),
        },
        parts,
      );
    },
    stopMillrace: () => parts.close(),
  };
  await runDemo(options);
  process.exit(0);
}

function folderOf(flags: DemoFlags): string {
  if (flags.data !== undefined) return path.resolve(flags.data);
  return flags.keep === true ? path.resolve(KEPT_FOLDER) : mkdtempSync(path.join(tmpdir(), 'millrace-demo-'));
}

async function requireFree(address: HostPort, flag: string): Promise<void> {
  if (await portIsFree(address.port, address.host)) return;
  const owner = portOwner(address.port);
  const command = STARTED_MS === undefined ? 'millrace demo' : 'npm run demo --';
  throw new CliError(
    `Port ${address.port} on ${address.host} is taken`,
    owner === undefined ? 'another program listens there' : `${owner} listens there`,
    `Stop it, or choose another port: ${command} ${flag} ${address.host}:${address.port + 1}`,
    3,
  );
}
