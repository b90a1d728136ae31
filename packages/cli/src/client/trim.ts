// `millrace topics trim TOPIC`: deletes the oldest records of a topic, up to an offset or a time.
import { type Cluster, listOffsets, type TopicPartitionOffset } from '@millrace/kafka-client';
import type { Command } from 'commander';
import { CliError } from './cli-error.ts';
import {
  existingTopic,
  type KafkaOptions,
  parseCount,
  parsePartitions,
  parseTime,
  withCluster,
  withKafka,
} from './options.ts';
import { print, renderTable } from './output.ts';
import { choosePartitions } from './partitions.ts';

interface TrimOptions extends KafkaOptions {
  readonly beforeOffset?: number;
  readonly beforeTime?: number;
  readonly all?: true;
  readonly partition?: readonly number[];
}

export function registerTrim(topics: Command): void {
  withKafka(
    topics
      .command('trim <name>')
      .description('delete the oldest records of a topic')
      .option('--before-offset <n>', 'those before this offset', parseCount)
      .option('--before-time <time>', 'those before the first record of this time or later', parseTime)
      .option('--all', 'all there are')
      .option('-p, --partition <n>', 'only these partitions: 0,2 or given again', parsePartitions),
  ).action(async (name: string, options: TrimOptions) => {
    const { beforeOffset, beforeTime, all } = options;
    if ([beforeOffset, beforeTime, all].filter((each) => each !== undefined).length !== 1)
      throw new CliError(
        'It is not clear up to where to trim',
        'exactly one of --before-offset, --before-time and --all is needed',
        'Give one of them.',
        2,
      );
    const starts = await withCluster(options, async (cluster, admin) => {
      const topic = await existingTopic(admin, name);
      return admin.deleteRecords(
        await limits(cluster, name, choosePartitions(topic, options.partition), options),
      );
    });
    starts.sort((a, b) => a.partition - b.partition);
    print(options.output, starts, () =>
      renderTable(
        ['TOPIC', 'PARTITION', 'START'],
        starts.map(({ topic, partition, offset }) => [topic, String(partition), String(offset)]),
      ),
    );
  });
}

/** Where each partition shall start. */
async function limits(
  cluster: Cluster,
  topic: string,
  partitions: readonly number[],
  options: TrimOptions,
): Promise<TopicPartitionOffset[]> {
  const places = partitions.map((partition) => ({ topic, partition }));
  if (options.beforeOffset !== undefined) {
    const offset = options.beforeOffset;
    return places.map((place) => ({ ...place, offset }));
  }
  const ends = await listOffsets(cluster, places, 'latest');
  if (options.beforeTime === undefined) return ends;
  const found = await listOffsets(cluster, places, options.beforeTime);
  // No record is that late: all of them are older.
  const endOf = new Map(ends.map(({ partition, offset }) => [partition, offset]));
  return found.map(({ partition, offset }) => ({
    topic,
    partition,
    offset: offset >= 0 ? offset : (endOf.get(partition) ?? 0),
  }));
}
