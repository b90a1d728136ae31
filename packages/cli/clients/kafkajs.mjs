import kafkajs from 'kafkajs';

const { CompressionTypes, ConfigResourceTypes, Kafka, logLevel, Partitioners } = kafkajs;
const [bootstrap, command, topic, ...rest] = process.argv.slice(2);
const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR });

async function readInput() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return Buffer.concat(chunks).toString().split('\n').slice(0, -1);
}

if (command === 'produce') {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, idempotent: true });
  await producer.connect();
  const messages = (await readInput()).map((line) => {
    const at = line.indexOf('\t');
    return { key: line.slice(0, at), value: line.slice(at + 1) };
  });
  const compression = rest[0] === 'gzip' ? CompressionTypes.GZIP : CompressionTypes.None;
  await producer.send({ topic, messages, compression });
  await producer.disconnect();
} else if (command === 'consume') {
  const [groupId, count] = rest;
  const consumer = kafka.consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  let left = Number(count);
  const last = await new Promise((resolve, reject) => {
    consumer
      .run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => {
          if (left === 0) return;
          process.stdout.write(`${String(message.key)}\t${String(message.value)}\n`);
          if (--left === 0) resolve({ partition, offset: String(BigInt(message.offset) + 1n) });
        },
      })
      .catch(reject);
  });
  await consumer.commitOffsets([{ topic, ...last }]);
  await consumer.disconnect();
} else {
  const admin = kafka.admin();
  await admin.connect();
  const configEntries = [{ name: 'cleanup.policy', value: 'compact' }];
  await admin.createTopics({ topics: [{ topic, numPartitions: 3, replicationFactor: 1, configEntries }] });
  await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] });
  const described = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['cleanup.policy'] }],
  });
  process.stdout.write(`${described.resources[0].configEntries[0].configValue}\n`);
  process.stdout.write(
    `${(await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length}\n`,
  );
  await admin.deleteTopics({ topics: [topic] });
  process.stdout.write(`${(await admin.listTopics()).includes(topic)}\n`);
  await admin.disconnect();
}
