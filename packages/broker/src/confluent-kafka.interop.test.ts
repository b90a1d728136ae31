// librdkafka's transactions, through Python's confluent-kafka, against the broker: commit, abort, offsets of a consumer
// group in the transaction, a zombie. Needs python3 and the package index; else a counted skip, in CI a failure.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pythonWith } from '@millrace/testkit';
import { afterAll, expect, test } from 'vitest';
import { startBroker } from './broker.ts';
import { runProgram } from './testing/run-program.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-confluent-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PROGRAM = `
import json, sys
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
bootstrap = sys.argv[1]
def producer():
    made = Producer({'bootstrap.servers': bootstrap, 'transactional.id': 'x'})
    made.init_transactions(20)
    return made
def read(topic, level, count):
    consumer = Consumer({'bootstrap.servers': bootstrap, 'group.id': 'r-' + level, 'isolation.level': level,
        'auto.offset.reset': 'earliest', 'enable.partition.eof': True, 'enable.auto.commit': False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    while True:
        message = consumer.poll(20)
        if message is None or message.error():
            break
        found.append(message.value().decode())
    consumer.close()
    return found
p = producer()
source = Producer({'bootstrap.servers': bootstrap})
for i in range(3):
    source.produce('in', str(i), partition=0)
source.flush(20)
reader = Consumer({'bootstrap.servers': bootstrap, 'group.id': 'g', 'auto.offset.reset': 'earliest',
    'enable.auto.commit': False})
reader.subscribe(['in'])
for i, keep in enumerate([True, False, True]):
    message = reader.poll(30)
    p.begin_transaction()
    p.produce('out', 'a%d' % i, partition=0)
    p.produce('out', 'b%d' % i, partition=0)
    p.flush(20) # what was not sent yet, an abort takes back
    next_offset = [TopicPartition('in', 0, message.offset() + 1)]
    p.send_offsets_to_transaction(next_offset, reader.consumer_group_metadata(), 20)
    if keep:
        p.commit_transaction(20)
    else:
        p.abort_transaction(20)
committed = reader.committed([TopicPartition('in', 0)], 20)[0].offset
p.begin_transaction()
p.produce('out', 'zombie', partition=0)
p.flush(20)
q = producer()
fenced = None
try:
    p.commit_transaction(20)
except KafkaException as error:
    fenced = error.args[0].name()
q.begin_transaction()
q.produce('out', 'last', partition=0)
q.commit_transaction(20)
reader.close()
print(json.dumps({'committed': committed, 'fenced': fenced,
    'stable': read('out', 'read_committed', 5), 'all': read('out', 'read_uncommitted', 8)}))
`;

test('confluent-kafka runs transactions, and reads what they left', async (context) => {
  const python = await pythonWith(['confluent-kafka==2.16.1']).catch((error: unknown) => {
    if (process.env['CI'] === 'true') throw error;
    return undefined;
  });
  if (python === undefined) {
    context.skip('confluent-kafka 2.16.1 cannot be had');
    return;
  }
  const broker = await startBroker({
    dataDirectory: join(folder, 'data'),
    listen: { host: '127.0.0.1', port: 0 },
    properties: { 'group.initial.rebalance.delay.ms': '0', 'millrace.disk.reserve.bytes': '1048576' },
  });
  try {
    const output = await runProgram(python, ['-c', PROGRAM, `127.0.0.1:${broker.port}`], 90_000);
    expect(JSON.parse(output)).toEqual({
      committed: 3,
      fenced: '_FENCED',
      stable: ['a0', 'b0', 'a2', 'b2', 'last'],
      all: ['a0', 'b0', 'a1', 'b1', 'a2', 'b2', 'zombie', 'last'],
    });
  } finally {
    await broker.close();
  }
}, 400_000);
