// `millrace topics`: topics with their partitions and how many records each holds.
import { Admin, listOffsets } from '@millrace/kafka-client';
import type { Command } from 'commander';
import { type KafkaOptions, withCluster, withKafka } from './options.ts';
import { print, renderTable } from './output.ts';

interface TopicLine {
  readonly topic: string;
  readonly partitions: number;
  readonly records: number;
  readonly id: string;
}

export function registerTopics(program: Command): void {
  withKafka(
    program.command('topics').description('list topics').option('--internal', 'also internal ones'),
  ).action(async (options: KafkaOptions & { internal?: true }) => {
    const lines = await withCluster(options, async (cluster) => {
      const topics = (await new Admin(cluster).listTopics()).filter(
        (topic) => options.internal === true || !isInternal(topic.name, topic.internal),
      );
      const partitions = topics.flatMap((topic) =>
        topic.partitions.map((_, partition) => ({ topic: topic.name, partition })),
      );
      const [from, to] = await Promise.all([
        listOffsets(cluster, partitions, 'earliest'),
        listOffsets(cluster, partitions, 'latest'),
      ]);
      const sum = (name: string, offsets: typeof from): number =>
        offsets.filter((each) => each.topic === name).reduce((total, each) => total + each.offset, 0);
      return topics.map(
        (topic): TopicLine => ({
          topic: topic.name,
          partitions: topic.partitions.length,
          records: sum(topic.name, to) - sum(topic.name, from),
          id: topic.topicId,
        }),
      );
    });
    lines.sort((a, b) => (a.topic < b.topic ? -1 : 1));
    print(options.output, lines, () =>
      lines.length === 0
        ? 'No topics.'
        : renderTable(
            ['TOPIC', 'PARTITIONS', 'RECORDS'],
            lines.map((line) => [line.topic, String(line.partitions), String(line.records)]),
          ),
    );
  });
}

/** Topics that Kafka or the worker keeps for itself. */
function isInternal(name: string, marked: boolean): boolean {
  return (
    marked ||
    name.startsWith('__consumer') ||
    name.startsWith('__transaction') ||
    /^connect-(configs|offsets|status)$/.test(name)
  );
}
