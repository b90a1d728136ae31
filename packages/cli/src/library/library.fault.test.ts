// A program that uses the library is killed at any moment: everything that was committed reaches it, in order.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, historyProblems, testDatabase, testRandom, testRounds } from '@millrace/testkit';
import { expect, test } from 'vitest';
import {
  CHANGING_TABLES,
  committedChanges,
  createChangingTables,
  deliveredChanges,
  TableWriters,
} from '../testing/changing-tables.ts';
import { postgresSource } from '../testing/connectors.ts';
import { moment } from '../testing/moments.ts';
import type { TopicRecord } from '../testing/topic-reader.ts';

const KILLS = testRounds(8, 100);
const program = fileURLToPath(new URL('../testing/library-program.mjs', import.meta.url));

interface Line {
  readonly topic: string;
  readonly key: string | null;
  readonly value: string | null;
}

class Program {
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #stderr = '';

  constructor(args: readonly string[]) {
    this.#args = args;
  }

  async start(): Promise<void> {
    const child = spawn(process.execPath, [program, ...this.#args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    let opened = false;
    child.stdout.on('data', () => {
      opened = true;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    await eventually('it is open', () => {
      if (child.exitCode !== null) throw new Error(`the program ended: ${this.#stderr}`);
      return opened;
    });
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the program had ended by itself: ${this.#stderr}`);
    }
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
}

test(`F1: a program is killed ${KILLS} times, and misses and reorders nothing (INV-1, INV-2, INV-3)`, {
  timeout: 120_000 + KILLS * 10_000,
}, async () => {
  const random = testRandom('kills of a program');
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-library-'));
  const offsets = path.join(folder, 'offsets.json');
  const events = path.join(folder, 'events');
  await using database = await testDatabase();
  await createChangingTables(database);
  const config = {
    ...postgresSource(database, 'kill', Object.keys(CHANGING_TABLES)),
    name: 'library',
    'offset.flush.interval.ms': '20',
  };
  const lines = (): Line[] =>
    readFileSync(events, 'utf8')
      .split('\n')
      .flatMap((line) => {
        try {
          return line === '' ? [] : [JSON.parse(line) as Line];
        } catch {
          return []; // cut short by a kill, so it was not acknowledged
        }
      });
  const stored = (): string => {
    const kept = existsSync(offsets) ? readFileSync(offsets, 'utf8') : '{}';
    return (JSON.parse(kept) as Record<string, string>)['["library",{"server":"kill"}]'] ?? '{}';
  };
  const storedLsn = (): bigint => {
    const positions = [...stored().matchAll(/"lsn(?:_proc|_commit)?":(\d+)/g)].map(([, lsn]) =>
      BigInt(lsn ?? 0),
    );
    return positions.reduce((most, each) => (each > most ? each : most), 0n);
  };
  const confirmedLsn = async (): Promise<bigint> => {
    const [slot] = await database.query(
      "select (confirmed_flush_lsn - '0/0')::text as lsn from pg_replication_slots where slot_name = $1",
      [database.name],
    );
    return BigInt(String(slot?.['lsn'] ?? 0));
  };
  const running = new Program([JSON.stringify(config), offsets, events]);
  await running.start();
  // What changes while a snapshot is read, or read again after a kill, need not come change by change.
  await eventually('the snapshot is over', () => {
    const offset = JSON.parse(stored()) as Record<string, unknown>;
    const isOver = offset['snapshot_completed'] === true;
    return lines().length >= 230 && isOver && storedLsn() > 0n;
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}; saved: ${stored()}`);
  });
  await using writers = new TableWriters(database.url, random, { connections: 3, pauseMs: 4 });
  for (let kill = 0; kill < KILLS; kill++) {
    // A crash test has to choose moments that nothing announces.
    await moment(random, 0, 2000);
    await running.kill();
    // INV-1: the slot never stands beyond what is on disk.
    const [confirmed, saved] = [await confirmedLsn(), storedLsn()];
    expect(confirmed <= saved, `kill ${kill}: slot at ${confirmed}, saved ${saved}`).toBe(true);
    await running.start();
  }
  await writers.stop();
  const problems = async (): Promise<string[]> => {
    const found: string[] = [];
    const all = lines();
    for (const [table, columns] of Object.entries(CHANGING_TABLES)) {
      const records = all
        .filter(({ topic }) => topic === `kill.public.${table}`)
        .map(({ key, value }, offset) => ({
          offset,
          key: key === null ? null : Buffer.from(key),
          value: value === null ? null : Buffer.from(value),
        }));
      const delivered = deliveredChanges(records as TopicRecord[], columns);
      found.push(...historyProblems(await committedChanges(database, table), delivered, KILLS));
    }
    return found;
  };
  await eventually('every change', async () => (await problems()).length === 0, 60_000).catch(
    () => undefined,
  );
  expect(await problems()).toEqual([]);
  await running.kill();
  process.stderr.write(
    `${KILLS} kills survived: ${writers.committed} transactions, ${lines().length} events\n`,
  );
  rmSync(folder, { recursive: true, force: true });
});
