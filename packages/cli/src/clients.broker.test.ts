// Kafka clients that others wrote, each reading what the others wrote, against `millrace start`.
import { spawnSync } from 'node:child_process';
import { type MillraceProcess, pythonWith, runCommand, startMillrace } from '@millrace/testkit';
import { CompressionTypes, Kafka, logLevel, Partitioners } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ci = process.env['CI'] === 'true';
const hasKcat = spawnSync('kcat', ['-V']).error === undefined;
const hasPython = spawnSync('python3', ['--version']).error === undefined;
// In CI they must be there; elsewhere their absence is a named skip.
const testKcat = hasKcat || ci ? test : test.skip;
const testPython = hasPython || ci ? test : test.skip;

const RECORDS = 2_000;
const lines = Array.from({ length: RECORDS }, (_, i) => `key ${i % 50}\tvalue ${i} ${'ä€'.repeat(i % 40)}`);

let millrace: MillraceProcess;
beforeAll(async () => {
  millrace = await startMillrace();
});
afterAll(() => millrace[Symbol.asyncDispose]());

async function kcat(args: readonly string[], input = ''): Promise<string[]> {
  const result = await runCommand('kcat', ['-b', millrace.kafka, ...args], { input, timeoutMs: 30_000 });
  expect(result.code, result.stderr).toBe(0);
  return result.stdout.split('\n').slice(0, -1);
}

const kcatRead = (topic: string): Promise<string[]> =>
  kcat(['-C', '-q', '-t', topic, '-o', 'beginning', '-e', '-f', '%k\t%s\n']);

/** Runs a script for confluent-kafka; `bootstrap` and `args` are its variables. */
async function python(script: string, args: readonly string[] = [], input = ''): Promise<string[]> {
  const interpreter = await pythonWith(['confluent-kafka==2.6.1']);
  const prelude = 'import sys\nfrom confluent_kafka import *\nbootstrap, *args = sys.argv[1:]\n';
  const result = await runCommand(interpreter, ['-c', prelude + script, millrace.kafka, ...args], {
    input,
    timeoutMs: 60_000,
  });
  expect(result.code, result.stderr).toBe(0);
  return result.stdout.split('\n').slice(0, -1);
}

const PRODUCE = `
producer = Producer({'bootstrap.servers': bootstrap, 'enable.idempotence': True, 'compression.type': args[1]})
failed = []
for line in sys.stdin.read().splitlines():
    key, value = line.split('\\t', 1)
    while True:
        try:
            producer.produce(args[0], value, key, on_delivery=lambda error, _: error and failed.append(str(error)))
            break
        except BufferError:
            producer.poll(0.1)
assert producer.flush(30) == 0 and not failed, failed
`;
const CONSUME = `
consumer = Consumer({'bootstrap.servers': bootstrap, 'group.id': args[1], 'auto.offset.reset': 'earliest', 'enable.auto.commit': False})
consumer.subscribe([args[0]])
left = int(args[2])
while left > 0:
    message = consumer.poll(20)
    assert message and not message.error(), message and message.error()
    print(message.key().decode() + '\\t' + message.value().decode())
    left -= 1
consumer.commit(asynchronous=False)
consumer.close()
`;

describe('confluent-kafka (Python)', () => {
  for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'])
    testPython(`An idempotent producer with ${codec} is read by kcat in order`, async () => {
      const topic = `python-${codec}`;
      await python(PRODUCE, [topic, codec], `${lines.join('\n')}\n`);
      expect(hasKcat ? await kcatRead(topic) : lines).toEqual(lines);
    });

  testPython('A group goes on where it stopped, and another starts at the beginning', async () => {
    await python(PRODUCE, ['python-group', 'none'], `${lines.join('\n')}\n`);
    expect(await python(CONSUME, ['python-group', 'one', '500'])).toEqual(lines.slice(0, 500));
    expect(await python(CONSUME, ['python-group', 'one', '700'])).toEqual(lines.slice(500, 1200));
    expect(await python(CONSUME, ['python-group', 'two', String(RECORDS)])).toEqual(lines);
  });

  testPython('Topics, configs and groups are administered', async () => {
    const printed = await python(`
from confluent_kafka.admin import *
admin = AdminClient({'bootstrap.servers': bootstrap})
admin.create_topics([NewTopic('made', 3, 1, config={'cleanup.policy': 'compact'})])['made'].result(20)
resource = ConfigResource(ConfigResource.Type.TOPIC, 'made')
print(admin.describe_configs([resource])[resource].result(20)['cleanup.policy'].value)
print(len(admin.list_topics(timeout=20).topics['made'].partitions))
print('one' in [group.group_id for group in admin.list_consumer_groups().result(20).valid])
admin.delete_topics(['made'])['made'].result(20)
print('made' in admin.list_topics(timeout=20).topics)
`);
    expect(printed).toEqual(['compact', '3', 'True', 'False']);
  });
});

describe('kcat', () => {
  for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'])
    testKcat(`Records with ${codec} are read by confluent-kafka and by kcat`, async () => {
      const topic = `kcat-${codec}`;
      const input = `${lines.join('\n')}\n`;
      await kcat(['-P', '-t', topic, '-K', '\t', '-z', codec, '-X', 'enable.idempotence=true'], input);
      expect(await kcatRead(topic)).toEqual(lines);
      if (hasPython) expect(await python(CONSUME, [topic, 'readers', String(RECORDS)])).toEqual(lines);
    });
});

describe('kafkajs', () => {
  test('What it produces with gzip it reads back as a group', async () => {
    const kafka = new Kafka({ brokers: [millrace.kafka], logLevel: logLevel.NOTHING });
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, idempotent: true });
    await producer.connect();
    const messages = lines.map((line) => {
      const [key = '', value = ''] = line.split('\t');
      return { key, value };
    });
    await producer.send({ topic: 'kafkajs', messages, compression: CompressionTypes.GZIP });
    await producer.disconnect();
    const consumer = kafka.consumer({ groupId: 'kafkajs' });
    await consumer.connect();
    await consumer.subscribe({ topic: 'kafkajs', fromBeginning: true });
    const read: string[] = [];
    await new Promise<void>((resolve, reject) => {
      consumer
        .run({
          eachMessage: async ({ message }) => {
            read.push(`${message.key?.toString()}\t${message.value?.toString()}`);
            if (read.length === RECORDS) resolve();
          },
        })
        .catch(reject);
    });
    await consumer.disconnect();
    expect(read).toEqual(lines);
    if (hasKcat) expect(await kcatRead('kafkajs')).toEqual(lines);
  });
});

test('/metrics of the worker has those of the broker beside its own', async () => {
  const page = await (await fetch(`${millrace.rest}/metrics`)).text();
  expect(page).toMatch(/^kafka_server_kafkaserver_brokerstate 3$/m);
});
