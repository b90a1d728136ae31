// `millrace consume TOPIC`: records of a topic, one a line, from its beginning or as they come.
import { silentLogger, systemClock } from '@millrace/foundation';
import { Admin, Fetcher, listOffsets } from '@millrace/kafka-client';
import type { KafkaRecord } from '@millrace/kafka-protocol';
import { type Command, Option } from 'commander';
import { CliError } from './cli-error.ts';
import { interruption, type KafkaOptions, parseCount, withCluster, withKafka } from './options.ts';

interface ConsumeOptions extends KafkaOptions {
  readonly fromBeginning?: true;
  readonly partition?: number;
  readonly offset?: number;
  readonly max?: number;
  readonly exit?: true;
  readonly keys?: true;
  readonly headers?: true;
  readonly isolation: 'read_committed' | 'read_uncommitted';
}

export function registerConsume(program: Command): void {
  withKafka(
    program
      .command('consume <topic>')
      .description('print the records of a topic')
      .option('-b, --from-beginning', 'start with the oldest record')
      .option('-p, --partition <n>', 'only this partition', parseCount)
      .option('--offset <n>', 'start at this offset', parseCount)
      .option('-n, --max <n>', 'end after so many records', parseCount)
      .option('-e, --exit', 'end when there are no more records')
      .option('-k, --keys', 'print keys, a tab before the value')
      .option('--headers', 'print headers too')
      .addOption(
        new Option('--isolation <level>', 'what open and aborted transactions show')
          .choices(['read_committed', 'read_uncommitted'])
          .default('read_committed'),
      ),
  ).action(async (topic: string, options: ConsumeOptions) => {
    const signal = interruption();
    await withCluster(options, async (cluster) => {
      const known = (await new Admin(cluster).listTopics()).find(({ name }) => name === topic);
      if (!known)
        throw new CliError(
          `There is no topic ${topic}`,
          `the cluster at ${options.bootstrap} does not know it`,
          'List what there is with `millrace topics`.',
        );
      const partitions = known.partitions
        .map((_, partition) => ({ topic, partition }))
        .filter((each) => options.partition === undefined || each.partition === options.partition);
      if (partitions.length === 0)
        throw new CliError(
          `${topic} has no partition ${options.partition}`,
          `it has ${known.partitions.length}`,
          'Name one from 0 on.',
          2,
        );
      const ends = await listOffsets(cluster, partitions, 'latest');
      const begin =
        options.fromBeginning === true ? await listOffsets(cluster, partitions, 'earliest') : ends;
      await using fetcher = new Fetcher({
        cluster,
        isolation: options.isolation,
        logger: silentLogger,
        clock: systemClock,
      });
      fetcher.assign(
        begin.map(({ topic: name, partition, offset }) => ({
          topic: name,
          partition,
          offset: options.offset ?? offset,
        })),
      );
      const left = new Map(ends.map((end) => [end.partition, end.offset]));
      let printed = 0;
      const atEnd = (): boolean =>
        partitions.every(
          ({ partition }) => (fetcher.position(topic, partition) ?? 0) >= (left.get(partition) ?? 0),
        );
      while (!signal.aborted && !(options.exit === true && atEnd())) {
        for (const { partition, records } of await fetcher.poll({ maxWaitMs: 250, signal })) {
          for (const record of records) {
            process.stdout.write(`${line(topic, partition, record, options)}\n`);
            if (++printed === options.max) return;
          }
        }
      }
    });
  });
}

function line(topic: string, partition: number, record: KafkaRecord, options: ConsumeOptions): string {
  const text = (bytes: Buffer | null): string | null => bytes && bytes.toString('utf8');
  const headers = record.headers.map((header) => [header.key, text(header.value)]);
  if (options.output === 'json') {
    return JSON.stringify({
      topic,
      partition,
      offset: record.offset,
      timestamp: record.timestamp,
      key: text(record.key),
      value: text(record.value),
      headers: Object.fromEntries(headers) as unknown,
    });
  }
  const parts = [];
  if (options.headers === true) parts.push(headers.map(([key, value]) => `${key}:${value}`).join(','));
  if (options.keys === true) parts.push(text(record.key) ?? 'null');
  parts.push(text(record.value) ?? 'null');
  return parts.join('\t');
}
