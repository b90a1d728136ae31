// `millrace groups reset NAME`: moves the committed offsets of a group without members. Shows what it would do unless
// it is told to do it, as Kafka's tool does.
import {
  type Admin,
  type Cluster,
  listOffsets,
  partitionKey,
  type TopicPartition,
  type TopicPartitionOffset,
} from '@millrace/kafka-client';
import { type Command, InvalidArgumentError } from 'commander';
import { CliError } from './cli-error.ts';
import {
  existingTopic,
  type KafkaOptions,
  parseCount,
  parseInteger,
  parsePartitions,
  parseTime,
  withCluster,
  withKafka,
} from './options.ts';
import { print, renderTable } from './output.ts';
import { choosePartitions } from './partitions.ts';

/** A topic, or some of its partitions. */
interface Selection {
  readonly topic: string;
  readonly partitions?: readonly number[];
}

interface Targets {
  readonly toEarliest?: true;
  readonly toLatest?: true;
  readonly toCurrent?: true;
  readonly toOffset?: number;
  readonly shiftBy?: number;
  readonly toTime?: number;
}

interface ResetOptions extends KafkaOptions, Targets {
  readonly topic?: readonly Selection[];
  readonly allTopics?: true;
  readonly execute?: true;
}

interface Move extends TopicPartition {
  readonly from: number | null;
  readonly to: number;
}

const TARGETS = ['toEarliest', 'toLatest', 'toCurrent', 'toOffset', 'shiftBy', 'toTime'] as const;

export function registerReset(groups: Command): void {
  withKafka(
    groups
      .command('reset <name>')
      .description('move the committed offsets of a group; without --execute only show where to')
      .option(
        '--topic <topic[:0,1]>',
        'this topic, or some partitions of it; may be given again',
        parseSelection,
      )
      .option('--all-topics', 'all topics the group has committed offsets for')
      .option('--to-earliest', 'to the oldest record')
      .option('--to-latest', 'behind the newest record')
      .option('--to-current', 'to where they are')
      .option('--to-offset <n>', 'to this offset', parseCount)
      .option('--shift-by <n>', 'so many records on, or back when negative', parseInteger)
      .option('--to-datetime, --to-time <time>', 'to the first record of this time or later', parseTime)
      .option('--by-duration <duration>', 'to the first record since so long ago', parseTime)
      .option('--dry-run', 'only show what would be done (the default)')
      .option('--execute', 'do it'),
  ).action(async (name: string, given: ResetOptions & { byDuration?: number; dryRun?: true }) => {
    const { byDuration } = given;
    const options: ResetOptions =
      byDuration === undefined ? given : { ...given, toTime: given.toTime ?? byDuration };
    check(options, given.dryRun === true);
    const moves = await withCluster(options, async (cluster, admin) => {
      const { state } = await admin.describeGroup(name);
      if (state !== 'Empty' && state !== 'Dead')
        throw new CliError(
          `Group ${name} is active`,
          `its state is ${state}`,
          'Stop its consumers and run the command again.',
        );
      const planned = await plan(cluster, admin, name, options);
      if (options.execute === true)
        await admin.alterGroupOffsets(
          name,
          planned.map(({ topic, partition, to }) => ({ topic, partition, offset: to })),
        );
      return planned;
    });
    if (options.execute !== true) process.stderr.write('Nothing was changed: give --execute to do it.\n');
    print(options.output, { group: name, executed: options.execute === true, moves }, () =>
      renderTable(
        ['GROUP', 'TOPIC', 'PARTITION', 'OLD-OFFSET', 'NEW-OFFSET'],
        moves.map(({ topic, partition, from, to }) => [
          name,
          topic,
          String(partition),
          String(from ?? '-'),
          String(to),
        ]),
      ),
    );
  });
}

function check(options: ResetOptions, dryRun: boolean): void {
  const usage = (why: string, fix: string): CliError => new CliError('The reset is not clear', why, fix, 2);
  if ((options.topic === undefined) === (options.allTopics === undefined))
    throw usage('exactly one of --topic and --all-topics is needed', 'Say which topics are meant.');
  if (TARGETS.filter((key) => options[key] !== undefined).length !== 1)
    throw usage(
      'exactly one target is needed',
      'Give --to-earliest, --to-latest, --to-offset, --shift-by, --to-time or --to-current.',
    );
  if (dryRun && options.execute === true)
    throw usage('--dry-run and --execute contradict each other', 'Give one of them.');
}

async function plan(cluster: Cluster, admin: Admin, name: string, options: ResetOptions): Promise<Move[]> {
  const committed = new Map<string, TopicPartitionOffset>();
  for (const { topic, partition, offset } of await admin.fetchGroupOffsets(name))
    if (offset >= 0) committed.set(partitionKey(topic, partition), { topic, partition, offset });
  const places: TopicPartition[] = [];
  if (options.allTopics === true) places.push(...committed.values());
  for (const { topic, partitions } of options.topic ?? []) {
    const chosen = choosePartitions(await existingTopic(admin, topic), partitions);
    places.push(...chosen.map((partition) => ({ topic, partition })));
  }
  if (places.length === 0)
    throw new CliError(
      `Group ${name} has no committed offsets`,
      'so --all-topics names no topic',
      'Give --topic.',
    );
  const from = new Map([...committed].map(([key, { offset }]) => [key, offset]));
  const wanted = await targets(cluster, places, from, options);
  const [earliest, latest] = await Promise.all([
    offsetsAt(cluster, places, 'earliest'),
    offsetsAt(cluster, places, 'latest'),
  ]);
  const moves = places.map(({ topic, partition }): Move => {
    const key = partitionKey(topic, partition);
    const low = earliest.get(key) ?? 0;
    const high = latest.get(key) ?? low;
    const target = wanted.get(key) ?? -1;
    // No record is as late as the time asked for: behind the last one, as Kafka's tool has it.
    const asked = target < 0 && options.toTime !== undefined ? high : target;
    const to = Math.min(Math.max(asked, low), high);
    if (to !== asked)
      process.stderr.write(
        `${topic}-${partition} has offsets from ${low} to ${high}: ${asked} becomes ${to}.\n`,
      );
    return { topic, partition, from: from.get(key) ?? null, to };
  });
  return moves.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1));
}

/** Where each partition shall go, before it is fitted into the log. */
async function targets(
  cluster: Cluster,
  places: readonly TopicPartition[],
  committed: ReadonlyMap<string, number>,
  options: Targets,
): Promise<Map<string, number>> {
  if (options.toEarliest) return offsetsAt(cluster, places, 'earliest');
  if (options.toLatest) return offsetsAt(cluster, places, 'latest');
  if (options.toTime !== undefined) return offsetsAt(cluster, places, options.toTime);
  return new Map(
    places.map(({ topic, partition }) => {
      const key = partitionKey(topic, partition);
      if (options.toOffset !== undefined) return [key, options.toOffset];
      const current = committed.get(key);
      if (current === undefined)
        throw new CliError(
          `The group has no committed offset for ${topic}-${partition}`,
          'so it cannot be moved from there',
          'Leave that partition out, or use --to-earliest, --to-latest, --to-offset or --to-time.',
        );
      return [key, current + (options.shiftBy ?? 0)];
    }),
  );
}

async function offsetsAt(
  cluster: Cluster,
  places: readonly TopicPartition[],
  spec: 'earliest' | 'latest' | number,
): Promise<Map<string, number>> {
  const found = await listOffsets(cluster, places, spec);
  return new Map(found.map(({ topic, partition, offset }) => [partitionKey(topic, partition), offset]));
}

function parseSelection(text: string, before: readonly Selection[] = []): readonly Selection[] {
  const match = /^([^:]+)(?::([\d,]+))?$/.exec(text);
  const topic = match?.[1];
  if (topic === undefined) throw new InvalidArgumentError('Expected TOPIC or TOPIC:0,1.');
  return [...before, match?.[2] === undefined ? { topic } : { topic, partitions: parsePartitions(match[2]) }];
}
