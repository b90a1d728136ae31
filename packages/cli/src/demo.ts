// `millrace demo`: the shop on a real Postgres, through Millrace, into a real Redis.
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type DemoOptions, runDemo } from '@millrace/demo';
import { portIsFree, portOwner } from '@millrace/local-servers';
import { type Command, InvalidArgumentError } from 'commander';
import { type HostPort, parseHostPort } from './addresses.ts';
import { CliError } from './client/cli-error.ts';
import { moreAddresses, startMoreWorkers } from './demo-workers.ts';
import { RunningParts } from './running.ts';
import { startMillrace } from './start.ts';

interface DemoFlags {
  readonly once?: true;
  readonly keep?: true;
  readonly data?: string;
  readonly kafka: string;
  readonly rest: string;
  readonly workers: number;
}

const KEPT_FOLDER = '.demo';
/** More would be of no use on one machine. */
const MOST_WORKERS = 9;

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
    .option('--workers <n>', 'processes that share the connectors', workerCount, 1)
    .action(async (flags: DemoFlags) => {
      await requireFree(parseHostPort(flags.kafka, '--kafka'), '--kafka');
      const rest = parseHostPort(flags.rest, '--rest');
      for (const address of [rest, ...moreAddresses(rest, flags.workers - 1)])
        await requireFree(address, '--rest');
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
      const started = await startMillrace(
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
      const others = moreAddresses(parseHostPort(flags.rest, '--rest'), flags.workers - 1);
      const more = await startMoreWorkers(started.kafka, others, data);
      parts.onClose(async () => await more[Symbol.asyncDispose]());
      for (const address of more.addresses) options.say(`Another worker answers at ${address}`);
      return started;
    },
    stopMillrace: () => parts.close(),
  };
  await runDemo(options);
  process.exit(0);
}

function workerCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= MOST_WORKERS) return count;
  throw new InvalidArgumentError(`a whole number from 1 to ${MOST_WORKERS}`);
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
