// `millrace topics`: topics listed, created, described, changed, grown, trimmed and deleted.
import { type Admin, type FoundOffset, listOffsets, type TopicDescription } from '@millrace/kafka-client';
import type { Command } from 'commander';
import { CliError } from './cli-error.ts';
import {
  existingTopic,
  type KafkaOptions,
  parseAssignment,
  parseMore,
  parsePositive,
  refuseUnknownSubcommand,
  withCluster,
  withKafka,
} from './options.ts';
import { paint, print, renderTable } from './output.ts';
import { registerTrim } from './trim.ts';

interface TopicLine {
  readonly topic: string;
  readonly partitions: number;
  readonly records: number;
  readonly id: string;
}

type Settings = readonly (readonly [string, string])[];

export function registerTopics(program: Command): void {
  const topics = program.command('topics').description('list, create, describe, change and delete topics');
  registerList(topics);
  registerCreate(topics);
  registerDescribe(topics);
  registerAlter(topics);
  registerAddPartitions(topics);
  registerTrim(topics);
  registerDelete(topics);
}

function registerList(topics: Command): void {
  withKafka(
    topics
      .command('list', { isDefault: true })
      .description('list topics (the default)')
      .allowExcessArguments()
      .option('--internal', 'also internal ones'),
  ).action(async (options: KafkaOptions & { internal?: true }, command: Command) => {
    refuseUnknownSubcommand(command);
    const lines = await withCluster(options, async (cluster, admin) => {
      const found = (await admin.describeTopics('all')).filter(
        (topic) => options.internal === true || !isInternal(topic.name, topic.internal),
      );
      const places = found.flatMap(({ name, partitions }) =>
        partitions.map(({ partition }) => ({ topic: name, partition })),
      );
      const [from, to] = await Promise.all([
        listOffsets(cluster, places, 'earliest'),
        listOffsets(cluster, places, 'latest'),
      ]);
      const starts = sums(from);
      const ends = sums(to);
      return found.map(
        ({ name, partitions, topicId }): TopicLine => ({
          topic: name,
          partitions: partitions.length,
          records: (ends.get(name) ?? 0) - (starts.get(name) ?? 0),
          id: topicId,
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

/** Offsets added up by topic. */
function sums(offsets: readonly FoundOffset[]): Map<string, number> {
  const total = new Map<string, number>();
  for (const { topic, offset } of offsets) total.set(topic, (total.get(topic) ?? 0) + offset);
  return total;
}

interface CreateOptions extends KafkaOptions {
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly config?: Settings;
  readonly ifNotExists?: true;
}

function registerCreate(topics: Command): void {
  withKafka(
    topics
      .command('create <names...>')
      .description('create topics')
      .option('-p, --partitions <n>', 'number of partitions (default: that of the broker)', parsePositive)
      .option(
        '-r, --replication-factor <n>',
        'copies of each partition (default: that of the broker)',
        parsePositive,
      )
      .option('-c, --config <name=value>', 'a config of the topic; may be given again', parseAssignment)
      .option('--if-not-exists', 'leave a topic that is there as it is'),
  ).action(async (names: string[], options: CreateOptions) => {
    const { partitions, replicationFactor, config } = options;
    const created = await withCluster(options, (_, admin) =>
      admin.createTopics(
        names.map((name) => ({
          name,
          ...(partitions === undefined ? {} : { partitions }),
          ...(replicationFactor === undefined ? {} : { replicationFactor }),
          ...(config === undefined ? {} : { configs: Object.fromEntries(config) }),
        })),
      ),
    );
    const there = names.filter((name) => !created.includes(name));
    if (there.length > 0 && options.ifNotExists !== true) {
      throw new CliError(
        `Topic ${there.join(', ')} exists already`,
        created.length === 0 ? 'nothing was created' : `created: ${created.join(', ')}`,
        'Choose another name, or give --if-not-exists.',
      );
    }
    print(options.output, { created, there }, () =>
      [...created.map((name) => `${name} created`), ...there.map((name) => `${name} is there already`)].join(
        '\n',
      ),
    );
  });
}

function registerDescribe(topics: Command): void {
  withKafka(
    topics
      .command('describe [names...]')
      .description('show partitions, offsets and configs of topics, of all without a name'),
  ).action(async (names: string[], options: KafkaOptions) => {
    const described = await withCluster(options, async (cluster, admin) => {
      const found =
        names.length === 0
          ? (await admin.describeTopics('all')).sort((a, b) => (a.name < b.name ? -1 : 1))
          : await Promise.all(names.map((name) => existingTopic(admin, name)));
      const places = found.flatMap(({ name, partitions }) =>
        partitions.filter(({ leader }) => leader >= 0).map(({ partition }) => ({ topic: name, partition })),
      );
      const [from, to] = await Promise.all([
        listOffsets(cluster, places, 'earliest'),
        listOffsets(cluster, places, 'latest'),
      ]);
      return Promise.all(found.map((topic) => describe(admin, topic, from, to)));
    });
    print(options.output, described, () => described.map(describedText).join('\n\n'));
  });
}

interface DescribedTopic {
  readonly topic: string;
  readonly id: string;
  readonly internal: boolean;
  readonly replicationFactor: number;
  readonly configs: Readonly<Record<string, string | null>>;
  readonly partitions: readonly {
    readonly partition: number;
    readonly leader: number;
    readonly leaderEpoch: number;
    readonly replicas: readonly number[];
    readonly isr: readonly number[];
    /** Null while no broker leads it. */
    readonly startOffset: number | null;
    readonly endOffset: number | null;
  }[];
}

async function describe(
  admin: Admin,
  topic: TopicDescription,
  from: readonly FoundOffset[],
  to: readonly FoundOffset[],
): Promise<DescribedTopic> {
  const configs = (await admin.describeTopicConfigs(topic.name)).filter(({ isSet }) => isSet);
  const offsetIn = (found: readonly FoundOffset[], partition: number): number | null =>
    found.find((each) => each.topic === topic.name && each.partition === partition)?.offset ?? null;
  return {
    topic: topic.name,
    id: topic.topicId,
    internal: topic.internal,
    replicationFactor: topic.partitions[0]?.replicas.length ?? 0,
    configs: Object.fromEntries(configs.map(({ name, value }) => [name, value])),
    partitions: topic.partitions.map((partition) => ({
      ...partition,
      startOffset: offsetIn(from, partition.partition),
      endOffset: offsetIn(to, partition.partition),
    })),
  };
}

function describedText(topic: DescribedTopic): string {
  const configs = Object.entries(topic.configs).map(([name, value]) => `${name}=${value}`);
  const rows = topic.partitions.map((each) => [
    String(each.partition),
    each.leader < 0 ? paint('none', 'red') : String(each.leader),
    each.replicas.join(','),
    each.isr.length < each.replicas.length ? paint(each.isr.join(','), 'yellow') : each.isr.join(','),
    String(each.startOffset ?? '-'),
    String(each.endOffset ?? '-'),
  ]);
  return [
    `${paint('Topic:', 'bold')}    ${topic.topic}`,
    `${paint('Id:', 'bold')}       ${topic.id}`,
    `${paint('Copies:', 'bold')}   ${topic.replicationFactor}`,
    `${paint('Configs:', 'bold')}  ${configs.join(', ') || 'all default'}`,
    '',
    renderTable(['PARTITION', 'LEADER', 'REPLICAS', 'ISR', 'START', 'END'], rows),
  ].join('\n');
}

interface AlterOptions extends KafkaOptions {
  readonly config?: Settings;
  readonly deleteConfig?: readonly string[];
}

function registerAlter(topics: Command): void {
  withKafka(
    topics
      .command('alter <name>')
      .description('change configs of a topic')
      .option('-c, --config <name=value>', 'set a config; may be given again', parseAssignment)
      .option('--delete-config <name>', 'put a config back to its default; may be given again', parseMore),
  ).action(async (name: string, options: AlterOptions) => {
    const set = options.config ?? [];
    const removed = options.deleteConfig ?? [];
    if (set.length + removed.length === 0)
      throw new CliError(
        'Nothing to change',
        'no config is named',
        'Give --config NAME=VALUE or --delete-config NAME.',
        2,
      );
    const changes = { ...Object.fromEntries(set), ...Object.fromEntries(removed.map((key) => [key, null])) };
    await withCluster(options, async (_, admin) => {
      await existingTopic(admin, name);
      await admin.alterTopicConfigs(name, changes);
    });
    print(options.output, { topic: name, configs: changes }, () => `${name} altered`);
  });
}

function registerAddPartitions(topics: Command): void {
  withKafka(
    topics
      .command('add-partitions <name>')
      .description('grow a topic; keyed records may go to other partitions from then on')
      .requiredOption('-p, --partitions <n>', 'how many it shall have', parsePositive),
  ).action(async (name: string, options: KafkaOptions & { partitions: number }) => {
    await withCluster(options, async (_, admin) => {
      await existingTopic(admin, name);
      await admin.createPartitions(name, options.partitions);
    });
    print(
      options.output,
      { topic: name, partitions: options.partitions },
      () => `${name} has ${options.partitions} partitions`,
    );
  });
}

function registerDelete(topics: Command): void {
  withKafka(
    topics
      .command('delete <names...>')
      .description('delete topics with all their records')
      .option('--if-exists', 'a topic that is not there is no error'),
  ).action(async (names: string[], options: KafkaOptions & { ifExists?: true }) => {
    const deleted = await withCluster(options, async (_, admin) => {
      const there = new Set((await admin.describeTopics(names)).map(({ name }) => name));
      // All or none: a typo in the last name deletes nothing.
      if (options.ifExists !== true)
        for (const name of names) if (!there.has(name)) await existingTopic(admin, name);
      await admin.deleteTopics([...there]);
      return [...there];
    });
    print(options.output, { deleted }, () => deleted.map((name) => `${name} deleted`).join('\n'));
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
