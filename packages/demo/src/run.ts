// The demo: a real Postgres and Redis, Millrace between them, and something to look at.
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { defineErrorCodes, MillraceError, silentLogger, systemClock } from '@millrace/foundation';
import { Admin, Cluster, listOffsets } from '@millrace/kafka-client';
import {
  findPostgres,
  findRedis,
  type PostgresServer,
  type RedisServer,
  startPostgres,
  startRedis,
} from '@millrace/local-servers';
import { Redis } from 'ioredis';
import { EventFeed, type ShopEvent } from './events.ts';
import { Shop } from './shop.ts';
import { renderView } from './view.ts';
import { connectorStatuses, postExample } from './worker.ts';

defineErrorCodes({
  'demo.refused': {
    policy: 'fatal',
    remedy: 'Read the answer above; the log of Millrace in the demo folder has more.',
  },
  'demo.timeout': {
    policy: 'fatal',
    remedy:
      'Read the log of Millrace in the demo folder, and run the demo again with --keep to look into it.',
  },
});

export interface DemoOptions {
  /** Holds the data of Postgres, Redis and Millrace. */
  readonly folder: string;
  /** Leaves the folder when it ends. */
  readonly keep: boolean;
  /** Ends after the first change has reached the cache. */
  readonly once: boolean;
  /** When the command was given, milliseconds since the epoch. */
  readonly startedAtMs: number;
  /** Fires on Ctrl-C. */
  readonly signal: AbortSignal;
  /** Starts Millrace on a folder. */
  startMillrace(dataDir: string): Promise<{ readonly kafka: string; readonly rest: string }>;
  stopMillrace(): Promise<void>;
  say(line: string): void;
}

const PREFIX = 'shop';
const CHANGES_PER_SECOND = 8;
const REDRAW_MS = 250;
const ONCE_TIMEOUT_MS = 60_000;

/** Runs until the signal fires, or with `once` until the proof is there. */
export async function runDemo(options: DemoOptions): Promise<void> {
  mkdirSync(options.folder, { recursive: true });
  // Started as root, Postgres runs as another user, who has to reach its folder in here.
  chmodSync(options.folder, 0o755);
  await using servers = await Servers.start(options);
  await using _millrace = { [Symbol.asyncDispose]: () => options.stopMillrace() };
  const { kafka, rest } = await options.startMillrace(path.join(options.folder, 'millrace'));
  await using shop = await Shop.open(servers.postgres.url());
  await using feed = new EventFeed(kafka, PREFIX);
  const first = new FirstEvent(options.startedAtMs);
  feed.start('earliest', (event) => first.see(event));
  await postExample(rest, 'shop-postgres-source.json');
  if (servers.redisUrl !== undefined) await postExample(rest, 'shop-redis-sink.json');
  const demo: Running = { options, servers, shop, feed, first, kafka, rest };
  if (options.once) await proveOnce(demo);
  else await showLive(demo);
}

interface Running {
  readonly options: DemoOptions;
  readonly servers: Servers;
  readonly shop: Shop;
  readonly feed: EventFeed;
  readonly first: FirstEvent;
  readonly kafka: string;
  readonly rest: string;
}

/** The moment of the first event. */
class FirstEvent {
  readonly seen: Promise<number>;
  readonly #startedAtMs: number;
  #resolve: (seconds: number) => void = () => undefined;

  constructor(startedAtMs: number) {
    this.#startedAtMs = startedAtMs;
    this.seen = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }
  see(_event: ShopEvent): void {
    this.#resolve((Date.now() - this.#startedAtMs) / 1000);
  }
}

/** Postgres and Redis on free ports, and the environment that the example configs read. */
class Servers implements AsyncDisposable {
  readonly postgres: PostgresServer;
  readonly redisUrl: string | undefined;
  readonly #redis: RedisServer | undefined;
  readonly #options: DemoOptions;

  private constructor(
    postgres: PostgresServer,
    redis: RedisServer | undefined,
    redisUrl: string | undefined,
    options: DemoOptions,
  ) {
    this.postgres = postgres;
    this.#redis = redis;
    this.redisUrl = redisUrl;
    this.#options = options;
  }

  static async start(options: DemoOptions): Promise<Servers> {
    const say = (line: string): void => options.say(line);
    const [postgres, source] = await Promise.all([
      findPostgres({ say }).then((binDir) =>
        startPostgres({ binDir, dataDir: path.join(options.folder, 'postgres') }),
      ),
      findRedis({ install: true, say }),
    ]);
    const redis =
      source.kind === 'binary'
        ? await startRedis({ binary: source.path, dataDir: path.join(options.folder, 'redis') })
        : undefined;
    if (source.kind === 'none') options.say(`Running without the Redis sink: ${source.reason}.`);
    const redisUrl = redis?.url ?? (source.kind === 'url' ? source.url : undefined);
    const variables = {
      HOST: postgres.host,
      PORT: String(postgres.port),
      USER: postgres.user,
      PASSWORD: postgres.password,
      DATABASE: 'postgres',
    };
    for (const [name, value] of Object.entries(variables)) process.env[`SHOP_PG_${name}`] = value;
    if (redisUrl !== undefined) process.env['SHOP_REDIS_URL'] = redisUrl;
    return new Servers(postgres, redis, redisUrl, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#redis?.stop();
    await this.postgres.stop('fast');
    if (!this.#options.keep) rmSync(this.#options.folder, { recursive: true, force: true });
  }
}

/** `--once`: the first event, then one change from its commit into the cache. */
async function proveOnce({ options, servers, shop, first }: Running): Promise<void> {
  const deadline = AbortSignal.any([options.signal, AbortSignal.timeout(ONCE_TIMEOUT_MS)]);
  const seconds = await orTimeout(first.seen, deadline, 'no event came out of Kafka');
  options.say(`First event ${seconds.toFixed(2)} s after the command.`);
  if (servers.redisUrl === undefined) return;
  const city = `Demo ${Date.now()}`;
  const redis = new Redis(servers.redisUrl);
  try {
    await orTimeout(
      untilCached(redis, 'customers:1', '"id"', deadline),
      deadline,
      'the snapshot did not reach the cache',
    );
    const committed = await shop.moveCustomer(1, city);
    await orTimeout(
      untilCached(redis, 'customers:1', city, deadline),
      deadline,
      'the change did not reach the cache',
    );
    options.say(
      `A change reached the cache ${((performance.now() - committed) / 1000).toFixed(3)} s after its commit: customers:1 -> ${city}.`,
    );
  } finally {
    redis.disconnect();
  }
}

async function untilCached(redis: Redis, key: string, text: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !(await redis.get(key))?.includes(text)) await systemClock.sleep(1, signal);
}

async function orTimeout<T>(promise: Promise<T>, signal: AbortSignal, what: string): Promise<T> {
  return Promise.race([
    promise,
    new Promise<never>((_, reject) => {
      signal.addEventListener(
        'abort',
        () =>
          reject(
            new MillraceError(
              'demo.timeout',
              `The demo gave up: ${what} within ${ONCE_TIMEOUT_MS / 1000} s.`,
            ),
          ),
        { once: true },
      );
    }),
  ]);
}

async function showLive(demo: Running): Promise<void> {
  const { options, servers, shop, feed, first, kafka, rest } = demo;
  shop.startLoad(CHANGES_PER_SECOND);
  const terminal = process.stdout.isTTY === true;
  const colour = terminal && (process.env['NO_COLOR'] ?? '') === '';
  const redis = servers.redisUrl === undefined ? undefined : new Redis(servers.redisUrl);
  redis?.on('error', () => undefined); // shown by the connector's state
  await using cluster = new Cluster({
    bootstrapServers: kafka,
    clientId: 'millrace-demo-view',
    logger: silentLogger,
    clock: systemClock,
  });
  void first.seen.then((seconds) => options.say(`First event ${seconds.toFixed(2)} s after the command.`));
  let printed = 0;
  try {
    while (!options.signal.aborted) {
      const last = feed.recent.findLast((event) => event.op !== 'read') ?? feed.recent.at(-1);
      const key = last && `${last.table}:${last.key}`;
      const [connectors, lag, value] = await Promise.all([
        connectorStatuses(rest).catch(() => []),
        redis ? sinkLag(cluster).catch(() => undefined) : undefined,
        redis && key !== undefined ? redis.get(key).catch(() => null) : null,
      ]);
      if (terminal) {
        const state = {
          kafka,
          rest,
          postgres: `${servers.postgres.host}:${servers.postgres.port}`,
          redis: servers.redisUrl?.replace('redis://', ''),
          connectors,
          perSecond: feed.perSecond(),
          total: feed.total,
          lag,
          recent: feed.recent,
          cache: redis && key !== undefined ? { key, value } : undefined,
        };
        process.stdout.write(`\u001b[H\u001b[J${renderView(state, process.stdout.columns, colour)}\n`);
      } else if (feed.total > printed) {
        options.say(
          `${feed.total} records, ${feed.perSecond().toFixed(1)} a second; last ${last?.op} ${last?.table} ${last?.key}${value === null ? '' : `; cache ${key} = ${value}`}`,
        );
        printed = feed.total;
      }
      await systemClock.sleep(terminal ? REDRAW_MS : 1_000, options.signal);
    }
  } finally {
    redis?.disconnect();
  }
}

/** Records of the shop's topics that the sink's group has not committed. */
async function sinkLag(cluster: Cluster): Promise<number> {
  const committed = await new Admin(cluster).fetchGroupOffsets('connect-shop-redis-sink');
  const ends = await listOffsets(cluster, committed, 'latest');
  return ends.reduce((lag, end) => {
    const own = committed.find((each) => each.topic === end.topic && each.partition === end.partition);
    return lag + Math.max(0, end.offset - (own?.offset ?? 0));
  }, 0);
}
