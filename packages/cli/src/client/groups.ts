// `millrace groups`: consumer groups listed, described, moved and deleted.
import type { TopicPartition } from '@millrace/kafka-client';
import type { Command } from 'commander';
import { CliError } from './cli-error.ts';
import { type DescribedGroup, describeGroup, existingGroup } from './group-description.ts';
import { registerReset } from './group-reset.ts';
import {
  existingTopic,
  type KafkaOptions,
  parseMore,
  refuseUnknownSubcommand,
  withCluster,
  withKafka,
} from './options.ts';
import { print, renderTable } from './output.ts';

export function registerGroups(program: Command): void {
  const groups = program.command('groups').description('list, describe, move and delete consumer groups');
  registerList(groups);
  registerDescribe(groups);
  registerReset(groups);
  registerDeleteOffsets(groups);
  registerDelete(groups);
}

function registerList(groups: Command): void {
  withKafka(
    groups
      .command('list', { isDefault: true })
      .description('list groups with their states (the default)')
      .allowExcessArguments()
      .option(
        '--state <state>',
        'only those in this state, such as Stable or Empty; may be given again',
        parseMore,
      ),
  ).action(async (options: KafkaOptions & { state?: readonly string[] }, command: Command) => {
    refuseUnknownSubcommand(command);
    const wanted = options.state?.map((state) => state.toLowerCase());
    const found = (await withCluster(options, (_, admin) => admin.listGroups()))
      .filter(({ state }) => wanted === undefined || wanted.includes(state.toLowerCase()))
      .sort((a, b) => (a.groupId < b.groupId ? -1 : 1));
    print(options.output, found, () =>
      found.length === 0
        ? 'No groups.'
        : renderTable(
            ['GROUP', 'TYPE', 'PROTOCOL', 'STATE'],
            found.map(({ groupId, type, protocolType, state }) => [
              groupId,
              type,
              protocolType || '-',
              state,
            ]),
          ),
    );
  });
}

interface DescribeOptions extends KafkaOptions {
  readonly members?: true;
  readonly state?: true;
}

function registerDescribe(groups: Command): void {
  withKafka(
    groups
      .command('describe <names...>')
      .description('show how far groups have read and who reads')
      .option('--members', 'the members with what each reads')
      .option('--state', 'state, coordinator and assignment strategy'),
  ).action(async (names: string[], options: DescribeOptions) => {
    const found = await withCluster(options, async (cluster, admin) => {
      const described: DescribedGroup[] = [];
      for (const name of names) described.push(await describeGroup(cluster, admin, name));
      return described;
    });
    for (const { group, state, members } of found) {
      const hint = options.output === 'table' && members.length === 0;
      if (hint) process.stderr.write(`Group ${group} has no active members (${state}).\n`);
    }
    print(options.output, found, () =>
      options.members === true
        ? membersTable(found)
        : options.state === true
          ? statesTable(found)
          : offsetsTable(found),
    );
  });
}

function offsetsTable(groups: readonly DescribedGroup[]): string {
  const show = (value: number | string | null): string => String(value ?? '-');
  return renderTable(
    [
      'GROUP',
      'TOPIC',
      'PARTITION',
      'CURRENT-OFFSET',
      'LOG-END-OFFSET',
      'LAG',
      'CONSUMER-ID',
      'HOST',
      'CLIENT-ID',
    ],
    groups.flatMap(({ group, offsets }) =>
      offsets.map((each) => [
        group,
        each.topic,
        show(each.partition),
        show(each.currentOffset),
        show(each.endOffset),
        show(each.lag),
        show(each.memberId),
        show(each.host),
        show(each.clientId),
      ]),
    ),
  );
}

function membersTable(groups: readonly DescribedGroup[]): string {
  return renderTable(
    ['GROUP', 'CONSUMER-ID', 'HOST', 'CLIENT-ID', '#PARTITIONS', 'ASSIGNMENT'],
    groups.flatMap(({ group, members }) =>
      members.map(({ memberId, host, clientId, assignment }) => [
        group,
        memberId,
        host,
        clientId,
        assignment === null ? '-' : String(assignment.length),
        assignment === null ? '-' : assignmentText(assignment),
      ]),
    ),
  );
}

/** `orders:0,1 returns:0`. */
function assignmentText(places: readonly TopicPartition[]): string {
  const byTopic = new Map<string, number[]>();
  for (const { topic, partition } of places) byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition]);
  return [...byTopic]
    .map(([topic, partitions]) => `${topic}:${partitions.sort((a, b) => a - b).join(',')}`)
    .sort()
    .join(' ');
}

function statesTable(groups: readonly DescribedGroup[]): string {
  return renderTable(
    ['GROUP', 'COORDINATOR', '(ID)', 'ASSIGNMENT-STRATEGY', 'STATE', '#MEMBERS'],
    groups.map(({ group, coordinator, protocol, state, members }) => [
      group,
      coordinator.address,
      `(${coordinator.id})`,
      protocol || '-',
      state,
      String(members.length),
    ]),
  );
}

function registerDeleteOffsets(groups: Command): void {
  withKafka(
    groups
      .command('delete-offsets <name>')
      .description('forget committed offsets of a group')
      .requiredOption('--topic <topic>', 'of this topic; may be given again', parseMore),
  ).action(async (name: string, options: KafkaOptions & { topic: readonly string[] }) => {
    const places = await withCluster(options, async (_, admin) => {
      await existingGroup(admin, name);
      const found: TopicPartition[] = [];
      for (const topic of options.topic) {
        const { partitions } = await existingTopic(admin, topic);
        found.push(...partitions.map(({ partition }) => ({ topic, partition })));
      }
      await admin.deleteGroupOffsets(name, found);
      return found;
    });
    print(
      options.output,
      { group: name, deleted: places },
      () => `offsets of ${name} deleted for ${options.topic.join(', ')}`,
    );
  });
}

function registerDelete(groups: Command): void {
  withKafka(
    groups.command('delete <names...>').description('delete groups without members, with their offsets'),
  ).action(async (names: string[], options: KafkaOptions) => {
    await withCluster(options, async (_, admin) => {
      for (const name of names) {
        const { members } = await existingGroup(admin, name);
        if (members.length > 0)
          throw new CliError(
            `Group ${name} is not empty`,
            `it has ${members.length} active members`,
            'Stop its consumers and run the command again.',
          );
      }
      await admin.deleteGroups(names);
    });
    print(options.output, { deleted: names }, () => names.map((name) => `${name} deleted`).join('\n'));
  });
}
