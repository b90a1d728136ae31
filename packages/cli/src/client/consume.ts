// `millrace consume TOPIC`: records of a topic as they come, alone or as a member of a group. What was printed is what
// counts: a group's offsets are committed after their records have left for standard output.
import { silentLogger, systemClock } from '@millrace/foundation';
import {
  type Cluster,
  type FetchedRecords,
  Fetcher,
  GroupConsumer,
  type Isolation,
  listOffsets,
  type PollOptions,
  partitionKey,
  type TopicDescription,
  type TopicPartition,
  type TopicPartitionOffset,
} from '@millrace/kafka-client';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CliError } from './cli-error.ts';
import {
  existingTopic,
  interruption,
  type KafkaOptions,
  parseCount,
  parseInteger,
  parsePartitions,
  parsePositive,
  parseTime,
  withCluster,
  withKafka,
} from './options.ts';
import { writeOut } from './output.ts';
import { choosePartitions } from './partitions.ts';
import { type RecordFormatter, recordFormatter } from './record-format.ts';

/** Where reading starts: an end, an offset, or so many records before the end. */
type Start = 'earliest' | 'latest' | { readonly offset: number };

interface ConsumeOptions extends KafkaOptions {
  readonly fromBeginning?: true;
  readonly fromTime?: number;
  readonly partition?: readonly number[];
  readonly offset?: Start;
  readonly group?: string;
  readonly max?: number;
  readonly exit?: true;
  readonly timeoutMs?: number;
  readonly keys?: true;
  readonly headers?: true;
  readonly format?: string;
  readonly nullMarker: string;
  readonly isolation: Isolation;
}

const POLL_MS = 250;
const POLL_RECORDS = 1000;
const COMMIT_EVERY_MS = 5000;

export function registerConsume(program: Command): void {
  withKafka(
    program
      .command('consume <topic>')
      .description('print the records of a topic')
      .option('-b, --from-beginning', 'start with the oldest record')
      .option('--from-time <time>', 'start with the first record of this time or later', parseTime)
      .option(
        '--offset <n>',
        'start at this offset, earliest, latest, or -N for N before the end',
        parseStart,
      )
      .option('-p, --partition <n>', 'only these partitions: 0,2 or given again', parsePartitions)
      .option('-g, --group <name>', 'read as a member of this group and commit what was printed')
      .option('-n, --max <n>', 'end after so many records', parsePositive)
      .option('-e, --exit', 'end when there are no more records')
      .option('--timeout-ms <n>', 'end when no record came for so long', parseCount)
      .option('-k, --keys', 'print keys, a tab before the value')
      .option('--headers', 'print headers too')
      .option('-f, --format <format>', 'text, raw, json, or a template such as "%p %o %k: %v\\n"')
      .option('-Z, --null-marker <text>', 'how a null looks', 'null')
      .addOption(
        new Option('--isolation <level>', 'what open and aborted transactions show')
          .choices(['read_committed', 'read_uncommitted'])
          .default('read_committed'),
      ),
  ).action(async (topic: string, options: ConsumeOptions) => {
    check(options);
    const format = options.format ?? (options.output === 'json' ? 'json' : 'text');
    const printer = new Printer(topic, recordFormatter(format, options), options.max ?? Infinity);
    const signal = interruption();
    await withCluster(options, async (cluster, admin) => {
      const described = await existingTopic(admin, topic);
      await (options.group === undefined
        ? consumeAlone(cluster, described, options, printer, signal)
        : consumeInGroup(cluster, topic, options.group, options, printer, signal));
    });
  });
}

function check(options: ConsumeOptions): void {
  const starts = [options.fromBeginning, options.fromTime, options.offset].filter(
    (each) => each !== undefined,
  );
  const conflict = (why: string, fix: string): CliError =>
    new CliError('The options contradict each other', why, fix, 2);
  if (starts.length > 1)
    throw conflict('--from-beginning, --from-time and --offset each say where to start', 'Give one of them.');
  const placed = options.partition ?? options.fromTime ?? options.offset;
  if (options.group !== undefined && placed !== undefined)
    throw conflict(
      'a member of a group is given its partitions and offsets',
      'Leave out --group, or --partition, --offset and --from-time; `millrace groups reset` moves a group.',
    );
}

/** Prints records in order and remembers what has left. */
class Printer {
  readonly #topic: string;
  readonly #format: RecordFormatter;
  #left: number;
  lastPrintedMs: number = performance.now();

  constructor(topic: string, format: RecordFormatter, max: number) {
    this.#topic = topic;
    this.#format = format;
    this.#left = max;
  }

  /** Whether as many were printed as were asked for. */
  get done(): boolean {
    return this.#left <= 0;
  }

  /** Offset behind the last record that left; undefined when none did. */
  async print({ partition, records, nextOffset }: FetchedRecords): Promise<number | undefined> {
    const wanted = records.slice(0, this.#left);
    const last = wanted.at(-1);
    if (!last) return undefined;
    const chunks = wanted.map((record) => this.#format({ topic: this.#topic, partition, record }));
    if (!(await writeOut(Buffer.concat(chunks)))) return undefined;
    this.#left -= wanted.length;
    this.lastPrintedMs = performance.now();
    return wanted.length === records.length ? nextOffset : last.offset + 1;
  }
}

/** What both ways of reading have in common. */
interface RecordReader {
  poll(options: PollOptions): Promise<FetchedRecords[]>;
  position(topic: string, partition: number): number | undefined;
}

/** Prints until there is a reason to end. `ends` holds where the log ended when its partition was taken up. */
async function printAll(
  reader: RecordReader,
  topic: string,
  options: ConsumeOptions,
  printer: Printer,
  ends: ReadonlyMap<number, number>,
  signal: AbortSignal,
  printed: (place: TopicPartitionOffset) => Promise<void> | void,
): Promise<void> {
  const atEnd = (): boolean =>
    ends.size > 0 && [...ends].every(([partition, end]) => (reader.position(topic, partition) ?? 0) >= end);
  const idleLimitMs = options.timeoutMs ?? Infinity;
  while (!signal.aborted && !printer.done && !(options.exit === true && atEnd())) {
    if (performance.now() - printer.lastPrintedMs >= idleLimitMs) return;
    const maxWaitMs = Math.min(POLL_MS, idleLimitMs);
    for (const fetched of await reader.poll({ maxWaitMs, maxRecords: POLL_RECORDS, signal })) {
      const offset = await printer.print(fetched);
      if (offset === undefined) return;
      await printed({ topic, partition: fetched.partition, offset });
      if (printer.done) return;
    }
    await printed({ topic, partition: -1, offset: -1 });
  }
}

async function consumeAlone(
  cluster: Cluster,
  topic: TopicDescription,
  options: ConsumeOptions,
  printer: Printer,
  signal: AbortSignal,
): Promise<void> {
  const { isolation } = options;
  const places = choosePartitions(topic, options.partition).map((partition) => ({
    topic: topic.name,
    partition,
  }));
  const ends = await listOffsets(cluster, places, 'latest', { isolation });
  const endOf = new Map(ends.map(({ partition, offset }) => [partition, offset]));
  await using fetcher = new Fetcher({ cluster, isolation, logger: silentLogger, clock: systemClock });
  fetcher.assign(await startOffsets(cluster, places, endOf, options));
  await printAll(fetcher, topic.name, options, printer, endOf, signal, () => undefined);
}

async function startOffsets(
  cluster: Cluster,
  places: readonly TopicPartition[],
  endOf: ReadonlyMap<number, number>,
  options: ConsumeOptions,
): Promise<TopicPartitionOffset[]> {
  const { fromTime, isolation } = options;
  const start = options.offset ?? (options.fromBeginning === true ? 'earliest' : 'latest');
  const end = (partition: number): number => endOf.get(partition) ?? 0;
  if (fromTime !== undefined) {
    const found = await listOffsets(cluster, places, fromTime, { isolation });
    return found.map((each) => ({ ...each, offset: each.offset >= 0 ? each.offset : end(each.partition) }));
  }
  if (start === 'latest') return places.map((place) => ({ ...place, offset: end(place.partition) }));
  const starts = await listOffsets(cluster, places, 'earliest', { isolation });
  if (start === 'earliest') return starts;
  if (start.offset >= 0)
    return starts.map((each) => ({ ...each, offset: withinLog(each, end(each.partition), start) }));
  return starts.map((each) => ({
    ...each,
    offset: Math.max(each.offset, end(each.partition) + start.offset),
  }));
}

function withinLog(
  first: TopicPartitionOffset,
  end: number,
  { offset }: { readonly offset: number },
): number {
  if (offset >= first.offset && offset <= end) return offset;
  throw new CliError(
    `${first.topic}-${first.partition} has no offset ${offset}`,
    `it has those from ${first.offset} to ${end}`,
    'Name one of them, or leave partitions out with --partition.',
    2,
  );
}

async function consumeInGroup(
  cluster: Cluster,
  topic: string,
  groupId: string,
  options: ConsumeOptions,
  printer: Printer,
  signal: AbortSignal,
): Promise<void> {
  const { isolation } = options;
  const ends = new Map<number, number>();
  /** Printed and not committed yet, of the partitions that are ours. */
  const pending = new Map<string, TopicPartitionOffset>();
  const owned = new Set<string>();
  const failed = new AbortController();
  let fatal: Error | undefined;
  const commit = async (): Promise<void> => {
    const offsets = [...pending.values()];
    pending.clear();
    if (offsets.length > 0) await consumer.commit(offsets);
  };
  const release = (places: readonly TopicPartition[]): void => {
    for (const { partition } of places) {
      const key = partitionKey(topic, partition);
      owned.delete(key);
      pending.delete(key);
      ends.delete(partition);
    }
  };
  const consumer = new GroupConsumer({
    cluster,
    logger: silentLogger,
    clock: systemClock,
    groupId,
    topics: [topic],
    isolation,
    startAt: options.fromBeginning === true ? 'earliest' : 'latest',
    onAssigned: async (places) => {
      for (const end of await listOffsets(cluster, places, 'latest', { isolation }))
        ends.set(end.partition, end.offset);
      for (const { partition } of places) owned.add(partitionKey(topic, partition));
      return undefined;
    },
    onRevoked: async (places) => {
      await commit();
      release(places);
    },
    onLost: release,
    onFatal: (error) => {
      fatal = error;
      failed.abort();
    },
  });
  let committedMs = performance.now();
  const printed = async (place: TopicPartitionOffset): Promise<void> => {
    const key = partitionKey(topic, place.partition);
    if (owned.has(key)) pending.set(key, place);
    if (performance.now() - committedMs < COMMIT_EVERY_MS) return;
    committedMs = performance.now();
    await commit();
  };
  await consumer.start();
  try {
    await printAll(
      consumer,
      topic,
      options,
      printer,
      ends,
      AbortSignal.any([signal, failed.signal]),
      printed,
    );
  } finally {
    await consumer.close({ forGood: true });
  }
  if (fatal) throw fatal;
}

function parseStart(text: string): Start {
  if (text === 'earliest' || text === 'beginning') return 'earliest';
  if (text === 'latest' || text === 'end') return 'latest';
  try {
    return { offset: parseInteger(text) };
  } catch {
    throw new InvalidArgumentError(
      'Expected an offset, earliest, latest, or -N for N records before the end.',
    );
  }
}
