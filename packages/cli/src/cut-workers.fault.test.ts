// The network of one worker of a group at a time really breaks, between it and the broker and between the others and its
// REST port: its work goes on elsewhere, nothing is lost, exactly-once sources deliver each line once, whoever is asked
// by REST answers, and the worker that was cut off stops, says so, and comes back.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { eventually, type RestAnswer, testRandom, testRounds } from '@millrace/testkit';
import { expect, test } from 'vitest';
import { untilRunning } from './testing/connectors.ts';
import { BREAKS, type Break, type CutWorker, CutWorkers } from './testing/cut-workers.ts';
import { MetricsPage } from './testing/metrics-page.ts';
import { moment, temporaryFolder } from './testing/moments.ts';
import { fileSource, Lines, replays, TEXT, untilAllLines } from './testing/numbered-lines.ts';
import { startBrokerBehindProxies } from './testing/proxied-broker.ts';
import { group, idOf, loads, untilBalanced } from './testing/workers.ts';

const ROUNDS = testRounds(2, 40);
const WORKERS = 3;
const SOURCES = ['lines-0', 'lines-1', 'lines-2'] as const;
/** And a sink. */
const TOTAL = { connectors: SOURCES.length + 1, tasks: SOURCES.length + 1 };
/** The session of the group. */
const SESSION_MS = 6000;
const LEADER_NAME = 'kafka_connect_worker_rebalance_leader_name';
/** What is answered from memory is, whatever the network does. */
const ANSWER_MS = 10_000;
/** Connect's own limit, and some time for a busy machine. */
const FORWARDED_MS = 100_000;

/** An answer in time; the time is a bound against hanging, and no measurement. */
async function asked(
  worker: CutWorker,
  withinMs: number,
  method: string,
  target: string,
  body?: unknown,
): Promise<RestAnswer> {
  const timeout = new AbortController();
  try {
    return await Promise.race([
      worker.process.request(method, target, body),
      new Promise<never>((_, reject) => {
        const late = new Error(`${method} ${target} was not answered within ${withinMs} ms`);
        const timer = setTimeout(() => reject(late), withinMs);
        timeout.signal.addEventListener('abort', () => clearTimeout(timer));
      }),
    ]);
  } finally {
    timeout.abort();
  }
}

test.each([
  ['at least', 'disabled'],
  ['exactly', 'enabled'],
] as const)(
  'INV-1 INV-2 INV-3 INV-7: a group in which the network of one worker after the other breaks goes on without it and with it again, and delivers %s once',
  {
    timeout: 240_000 + ROUNDS * 240_000,
  },
  async (delivery, support) => {
    const random = testRandom(`a network that is cut, ${delivery} once`);
    using folder = temporaryFolder();
    await using broker = await startBrokerBehindProxies(folder.path, WORKERS);
    const { direct } = broker;
    await using started = new CutWorkers();
    const workers = await started.start(broker, {
      ...group('cut'),
      'rebalance.timeout.ms': '12000',
      'exactly.once.source.support': support,
    });
    const known = workers.map((worker) => worker.known);
    const [first] = workers as [CutWorker];
    const files = SOURCES.map((name) => new Lines(folder.path, name, 2));
    const sinkFile = path.join(folder.path, 'sink');
    const configOf = (i: number): Record<string, string> =>
      fileSource(files[i]?.file ?? '', SOURCES[i] ?? '');
    try {
      for (const [i, name] of SOURCES.entries()) {
        const { status } = await first.process.request('PUT', `/connectors/${name}/config`, configOf(i));
        expect(status).toBe(201);
      }
      await untilAllLines(direct, SOURCES[0], 10);
      const sink = {
        ...TEXT,
        'connector.class': 'FileStreamSink',
        topics: SOURCES[0],
        file: sinkFile,
        'consumer.override.session.timeout.ms': String(SESSION_MS),
        'consumer.override.heartbeat.interval.ms': '1000',
      };
      expect((await first.process.request('PUT', '/connectors/sink/config', sink)).status).toBe(201);
      await untilBalanced(known, TOTAL, 60_000);

      const hows = Object.keys(BREAKS) as [Break, ...Break[]];
      const from = random.int(0, hows.length - 1);
      for (let round = 0; round < ROUNDS; round++) {
        const how = hows[(round + from) % hows.length] ?? hows[0];
        const cut = random.pick(workers as [CutWorker, ...CutWorker[]]);
        const others = workers.filter((worker) => worker !== cut);
        const isLong = random.next() < 0.7;
        const label = `round ${round}: ${how} of ${idOf(cut.known)} for ${isLong ? 'long' : 'a moment'}`;
        process.stderr.write(`${label}\n`);
        cut.cut(how);
        // Whoever has to write is asked meanwhile, and may say that it cannot.
        const writing = workers.map((worker, i) =>
          asked(worker, FORWARDED_MS, 'PUT', `/connectors/${SOURCES[i]}/config`, configOf(i)),
        );
        try {
          if (isLong && how !== 'slowness') {
            await eventually(
              `${label}: the worker says that it is cut off`,
              async () => (await asked(cut, ANSWER_MS, 'GET', '/health/ready')).status === 503,
              30_000,
            );
            // What it has sent without an answer may arrive for a request timeout of 30 s.
            await eventually(
              `${label}: the worker has ended what it ran`,
              async () => !(await loads(cut.known)).has(idOf(cut.known)),
              60_000,
            );
            await eventually(
              `${label}: the others run everything`,
              async () => {
                const on = await loads((others[0] as CutWorker).known);
                const sum = others.reduce((all, { known: one }) => all + (on.get(idOf(one))?.tasks ?? 0), 0);
                if (sum === TOTAL.tasks) return true;
                throw new Error(JSON.stringify([...on]));
              },
              60_000,
            );
          } else await moment(random, 1000, SESSION_MS);
          for (const worker of workers) {
            const { status } = await asked(worker, ANSWER_MS, 'GET', '/connectors?expand=status');
            expect(status).toBe(200);
          }
        } finally {
          cut.heal();
        }
        for (const answer of await Promise.all(writing)) expect([200, 409, 500]).toContain(answer.status);
        await untilBalanced(known, TOTAL, 120_000);
        for (const worker of workers) {
          await eventually(
            `${label}: ${idOf(worker.known)} is ready again`,
            async () => {
              const { status, body } = await asked(worker, ANSWER_MS, 'GET', '/health/ready');
              if (status === 200) return true;
              throw new Error(JSON.stringify(body));
            },
            60_000,
          );
        }
      }
      for (const name of [...SOURCES, 'sink']) await untilRunning(first.process, name);
    } finally {
      for (const lines of files) lines[Symbol.dispose]();
    }
    for (const [i, name] of SOURCES.entries()) {
      const { count } = files[i] as Lines;
      await untilAllLines(direct, name, count);
      if (delivery === 'exactly') expect(await replays(direct, name)).toEqual({ last: count - 1, count: 0 });
    }
    const { count } = files[0] as Lines;
    await eventually('the sink has every line', () => {
      const numbers = new Set(readFileSync(sinkFile, 'utf8').trimEnd().split('\n').map(Number));
      return numbers.size === count;
    });
  },
);

test.each(['swallow', 'reset'] as const)(
  'a worker that is cut off by %s ends in order when it is told to',
  async (how) => {
    using folder = temporaryFolder();
    await using broker = await startBrokerBehindProxies(folder.path, 1);
    await using started = new CutWorkers();
    const [worker] = (await started.start(broker, {
      ...group('alone'),
      'exactly.once.source.support': 'enabled',
    })) as [CutWorker];
    using lines = new Lines(folder.path, 'alone', 2);
    const config = fileSource(lines.file, 'alone');
    expect((await worker.process.request('PUT', '/connectors/alone/config', config)).status).toBe(201);
    await untilBalanced([worker.known], { connectors: 1, tasks: 1 });
    worker.cut(how);
    // Until then it may wait for what it has sent.
    await eventually('it has ended what it ran', async () => (await loads(worker.known)).size === 0, 60_000);
    expect(await worker.process.end()).toBe(true);
  },
);

test.each(['hang', 'swallow'] as const)(
  'INV-7: what was passed on to a leader that is cut off by %s is answered as soon as another one leads, and works then',
  async (how) => {
    using folder = temporaryFolder();
    await using broker = await startBrokerBehindProxies(folder.path, 2);
    await using started = new CutWorkers();
    const workers = await started.start(broker, group('led'));
    const leader = await eventually('somebody leads both', async () => {
      const pages = await Promise.all(workers.map(({ process }) => MetricsPage.of(process)));
      const leaders = pages.map((page) => page.find(LEADER_NAME)[0]?.labels['leader_name']);
      return workers.find(({ known }) => leaders.every((url) => url === `${known.rest}/`));
    });
    const other = workers.find((worker) => worker !== leader) as CutWorker;
    const config = fileSource(path.join(folder.path, 'lines'), 'lines');
    leader.cut(how);
    const { status, body } = await other.process.request('PUT', '/connectors/lines/config', config);
    expect([status, body]).toEqual([
      409,
      expect.objectContaining({ message: expect.stringContaining('rebalance') as string }),
    ]);
    await eventually('the next one is taken', async () => {
      const again = await other.process.request('PUT', '/connectors/lines/config', config);
      if (again.status === 201) return true;
      throw new Error(JSON.stringify(again));
    });
  },
);
