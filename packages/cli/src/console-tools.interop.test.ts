// Kafka's own console tools against `millrace broker`: the session recorded in testdata/goldens/kafka/tools against a
// real broker, command by command, must print the same. Where it may not is said here with the reason.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { eventually, goldenPath, JavaTools, kafkaClassPath, runCommand } from '@millrace/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BrokerProcess, startBrokerProcess } from './testing/broker-process.ts';

const MAIN_CLASSES: Readonly<Record<string, string>> = {
  'kafka-topics': 'org.apache.kafka.tools.TopicCommand',
  'kafka-console-producer': 'org.apache.kafka.tools.ConsoleProducer',
  'kafka-console-consumer': 'org.apache.kafka.tools.consumer.ConsoleConsumer',
  'kafka-consumer-groups': 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
  'kafka-groups': 'org.apache.kafka.tools.GroupsCommand',
  'kafka-get-offsets': 'org.apache.kafka.tools.GetOffsetShell',
  'kafka-configs': 'kafka.admin.ConfigCommand',
  'kafka-delete-records': 'org.apache.kafka.tools.DeleteRecordsCommand',
  'kafka-log-dirs': 'org.apache.kafka.tools.LogDirsCommand',
  'kafka-broker-api-versions': 'org.apache.kafka.tools.BrokerApiVersionsCommand',
  'kafka-features': 'org.apache.kafka.tools.FeatureCommand',
  'kafka-metadata-quorum': 'org.apache.kafka.tools.MetadataQuorumCommand',
  'kafka-acls': 'org.apache.kafka.tools.AclCommand',
  'kafka-transactions': 'org.apache.kafka.tools.TransactionsCommand',
  'kafka-leader-election': 'org.apache.kafka.tools.LeaderElectionCommand',
};

/** Settings that the recorded broker had. */
const PROPERTIES = {
  'group.initial.rebalance.delay.ms': '0',
  'log.segment.delete.delay.ms': '1000',
  'message.max.bytes': '20000000',
  'millrace.replication.factor.clamp': 'false',
  'offsets.topic.num.partitions': '5',
};

/** Commands that are not run at all. */
const LEFT_OUT: readonly (readonly [command: RegExp, why: string])[] = [
  [/--group live/, 'its consumer uses KIP-848, which is not served; clients fall back to classic groups'],
  [/^kafka-cluster /, 'its entry shows only a usage error of the tool, without a broker'],
  [/--entity-type users/, 'client quotas are not served'],
];

/** Lines that may differ, taken out on both sides. */
const FREE_LINES: readonly (readonly [command: RegExp, line: RegExp, why: string])[] = [
  [/^kafka-configs .*--topic compacted --all/, /^ file\.delete\.delay\.ms=/, 'our default is another one'],
  [/^kafka-(consumer-)?groups .*--list/, /^live /, 'the group of KIP-848'],
  [
    /^kafka-get-offsets /,
    /^__consumer_offsets:/,
    'how often clients commit, and the number of its partitions',
  ],
  [/^kafka-acls /, /^\s+at /, 'stack frames'],
  [
    /^kafka-features /,
    /^Feature: (?!metadata\.version)/,
    'features of what is not served, or only by newer brokers',
  ],
  [/^kafka-metadata-quorum /, /^(HighWatermark|CurrentVoters):/, "the metadata log is not Kafka's"],
];

/** The same facts in other words. */
const WORDS: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/No Authorizer is configured( on the broker)?\.?/, 'NO AUTHORIZER'],
];

interface Recorded {
  readonly file: string;
  readonly command: string;
  readonly input: string;
  readonly lines: readonly string[];
}

/** In the order of the session. */
const FILES =
  'topics producer consumer groups groups-active groups-reset offsets configs delete-records log-dirs api-versions cluster';

function recordedSession(): Recorded[] {
  return FILES.split(' ').flatMap((file) => {
    const text = readFileSync(goldenPath(`kafka/tools/${file}.txt`), 'utf8');
    return text
      .replace(/^\$ /, '')
      .split('\n$ ')
      .map((block): Recorded => {
        const [command = '', ...lines] = block.trimEnd().split('\n');
        const given = lines.filter((line) => line.startsWith('< '));
        return {
          file,
          command,
          input: given.map((line) => `${line.slice(2)}\n`).join(''),
          lines: lines.filter((line) => !line.startsWith('< ')),
        };
      });
  });
}

/** Splits as a shell does, single quotes included. */
function argumentsOf(command: string): string[] {
  return [...command.matchAll(/(?:[^\s']+|'[^']*')+/g)].map(([part]) => part.replaceAll("'", ''));
}

function normalise(line: string, command: string): string {
  let text = line
    .replaceAll(broker.kafka, 'HOST:PORT')
    .replaceAll('127.0.0.1', 'HOST')
    .replaceAll(broker.folder, 'DIR')
    .replace(/console-consumer-[\da-f-]{36}/, 'CONSUMER-ID')
    .replace(/console-consumer-\d+/, 'CONSOLE-GROUP')
    .replace(/adminclient-\d+/g, 'adminclient-N')
    .replace(/TopicId: \S{22}/, 'TopicId: ID')
    .replace(/"logDir":"[^"]*"/, '"logDir":"DIR"')
    .replace(/^ClusterId: +\S+/, 'ClusterId: ID')
    .replace(/Epoch: \d+$/, 'Epoch: N');
  for (const [pattern, instead] of WORDS) text = text.replace(pattern, instead);
  // In the recording masks have shifted columns.
  text = text.replace(/ +/g, ' ').trimEnd();
  return FREE_LINES.some(([name, free]) => name.test(command) && free.test(text)) ? '' : text;
}

function comparable(lines: readonly string[], command: string): string[] {
  const found = lines
    .map((line) => normalise(line, command))
    .filter((line) => line !== '' && line !== '[stderr]');
  // Lists come in the order of a hash table.
  return / --list|^kafka-delete-records|^kafka-acls/.test(command) ? found.sort() : found;
}

let broker: BrokerProcess;
let tools: JavaTools | undefined;
let missing = '';
beforeAll(async () => {
  broker = await startBrokerProcess(PROPERTIES);
  const partitions = [
    { topic: 'orders', partition: 0, offset: 1 },
    { topic: 'orders', partition: 1, offset: 100 },
  ];
  writeFileSync(path.join(broker.folder, 'dr.json'), JSON.stringify({ partitions, version: 1 }));
  try {
    tools = await JavaTools.start();
  } catch (error) {
    missing = String(error).slice(0, 300);
    if (process.env['CI'] === 'true') throw error;
  }
}, 600_000);
afterAll(async () => {
  await tools?.[Symbol.asyncDispose]();
  await broker[Symbol.asyncDispose]();
});

async function run(command: string, input: string): Promise<string[]> {
  const resolved = command.replaceAll('HOST:PORT', broker.kafka).replaceAll('DIR', broker.folder);
  const [tool = '', ...args] = argumentsOf(resolved);
  const mainClass = MAIN_CLASSES[tool];
  if (!tools || mainClass === undefined) throw new Error(`no tool ${tool}`);
  const { code, stdout, stderr } = await tools.run(mainClass, args, input);
  return [
    ...stdout.split('\n'),
    ...stderr
      .split('\n')
      .filter((line) => !/^\s+(at |\.\.\. \d)/.test(line))
      .map((line) => `[stderr] ${line}`),
    `[exit ${code}]`,
  ];
}

/** A console consumer in the group `shop` while `use` runs. */
async function withConsumer(use: () => Promise<void>): Promise<void> {
  const args = ['-Xmx256m', '-cp', await kafkaClassPath(), MAIN_CLASSES['kafka-console-consumer'] ?? ''];
  let stop = (): void => undefined;
  const ended = runCommand(
    'java',
    [...args, '--bootstrap-server', broker.kafka, '--topic', 'orders', '--group', 'shop'],
    {
      timeoutMs: 180_000,
      onStart: (child) => {
        stop = () => void child.kill();
      },
    },
  );
  try {
    await eventually('the group is stable', async () => {
      const state = await run(
        'kafka-consumer-groups --bootstrap-server HOST:PORT --describe --group shop --state',
        '',
      );
      return state.some((line) => line.includes('Stable'));
    });
    await use();
  } finally {
    stop();
    await ended;
  }
}

describe('The tools print what they print against a real broker', () => {
  const session = recordedSession().filter(({ command }) => !LEFT_OUT.some(([name]) => name.test(command)));
  expect(session.length).toBeGreaterThan(60);
  const special = /--describe --broker 1 --all|^kafka-broker-api-versions/;
  for (const file of FILES.split(' ')) {
    test(file, async (context) => {
      if (!tools) context.skip(`the tools cannot be had: ${missing}`);
      const commands = session.filter((each) => each.file === file && !special.test(each.command));
      const compare = async (): Promise<void> => {
        for (const { command, input, lines } of commands)
          expect
            .soft(comparable(await run(command, input), command), command)
            .toEqual(comparable(lines, command));
      };
      if (file === 'groups-active') await withConsumer(compare);
      else if (commands.length > 0) await compare();
      else expect(file).toBe('api-versions');
    }, 240_000);
  }

  test('Every API that is served has the versions of a real broker', async (context) => {
    if (!tools) context.skip(`the tools cannot be had: ${missing}`);
    const [recorded] = recordedSession().filter(({ command }) =>
      command.startsWith('kafka-broker-api-versions'),
    );
    const nameOf = (line: string): string => /^\s*(\w+\(\d+\)):/.exec(line)?.[1] ?? '';
    const real = new Map(recorded?.lines.map((line) => [nameOf(line), line.replace(/,$/, '')]));
    const served = (await run('kafka-broker-api-versions --bootstrap-server HOST:PORT', ''))
      .filter((line) => nameOf(line) !== '' && !line.includes('UNSUPPORTED'))
      .map((line) => line.replace(/,$/, ''));
    expect(served.length).toBeGreaterThan(35);
    for (const line of served)
      if (!FEWER_VERSIONS.has(nameOf(line))) expect.soft(line).toBe(real.get(nameOf(line)));
  });

  test('The configs of the broker have the names and defaults of a real one, but for those we chose', async (context) => {
    if (!tools) context.skip(`the tools cannot be had: ${missing}`);
    const command = 'kafka-configs --bootstrap-server HOST:PORT --describe --broker 1 --all';
    const recorded = recordedSession().find((each) => each.command === command);
    const configs = (lines: readonly string[]): Map<string, string> =>
      new Map(
        lines.flatMap((line) =>
          /^ {2}([\w.]+)=/.test(line) ? [[line.trim().split('=')[0] ?? '', line.trim()]] : [],
        ),
      );
    const real = configs(recorded?.lines ?? []);
    const ours = configs(await run(command, ''));
    expect(real.size).toBeGreaterThan(250);
    expect([...real.keys()].filter((name) => !ours.has(name))).toEqual([]);
    expect([...ours.keys()].filter((name) => !real.has(name) && !name.startsWith('millrace.'))).toEqual([]);
    const differing = [...real].filter(([name, line]) => !line.includes('STATIC') && ours.get(name) !== line);
    expect(differing.map(([name]) => name).filter((name) => !OWN_DEFAULTS.has(name))).toEqual([]);
  });
});

/** Where the newest version of a real broker is left out. */
const FEWER_VERSIONS = new Set(['ListTransactions(66)']);

/** Where our default is another one: one broker beside its clients, and a folder of its own. */
const OWN_DEFAULTS = new Set<string>([
  'log.cleaner.dedupe.buffer.size',
  'log.dir',
  'offsets.topic.segment.bytes',
  'transaction.state.log.segment.bytes',
]);

test('kcat lists what the tools left', async (context) => {
  if (!tools || spawnSync('kcat', ['-V']).error !== undefined) context.skip('no tools or no kcat');
  const listed = await runCommand('kcat', ['-b', broker.kafka, '-L', '-J']);
  expect(JSON.parse(listed.stdout)).toMatchObject({
    controllerid: 1,
    brokers: [{ id: 1, name: broker.kafka }],
  });
});
