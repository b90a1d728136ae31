import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

// The client lies where it was installed for the test, not beside this file.
const require = createRequire(path.join(process.env.CLIENT_FOLDER, 'package.json'));
const { Admin, Consumer, Producer, stringDeserializers, stringSerializers } = await import(
  pathToFileURL(require.resolve('@platformatic/kafka')).href
);
const [bootstrap, command, topic, ...rest] = process.argv.slice(2);
const base = { clientId: 'platformatic', bootstrapBrokers: [bootstrap] };

async function readInput() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return Buffer.concat(chunks).toString().split('\n').slice(0, -1);
}

if (command === 'produce') {
  const producer = new Producer({ ...base, serializers: stringSerializers, autocreateTopics: true });
  const messages = (await readInput()).map((line) => {
    const at = line.indexOf('\t');
    return { topic, key: line.slice(0, at), value: line.slice(at + 1) };
  });
  await producer.send({ messages, acks: -1, idempotent: true, compression: rest[0] });
  await producer.close();
} else if (command === 'consume') {
  const consumer = new Consumer({ ...base, groupId: rest[0], deserializers: stringDeserializers });
  const stream = await consumer.consume({
    topics: [topic],
    mode: 'committed',
    fallbackMode: 'earliest',
    autocommit: false,
    sessionTimeout: 10_000,
    heartbeatInterval: 500,
  });
  let left = Number(rest[1]);
  for await (const message of stream) {
    process.stdout.write(`${message.key}\t${message.value}\n`);
    if (--left > 0) continue;
    await message.commit();
    break;
  }
  await consumer.close(true);
} else {
  const admin = new Admin(base);
  await admin.createTopics({
    topics: [topic],
    partitions: 3,
    replicas: 1,
    configs: [{ name: 'cleanup.policy', value: 'compact' }],
  });
  await admin.createPartitions({ topics: [{ name: topic, count: 5, assignments: null }] });
  const described = await admin.describeConfigs({ resources: [{ resourceType: 2, resourceName: topic }] });
  process.stdout.write(`${described[0].configs.find(({ name }) => name === 'cleanup.policy').value}\n`);
  const metadata = await admin.metadata({ topics: [topic] });
  process.stdout.write(`${metadata.topics.get(topic).partitions.length}\n`);
  await admin.deleteTopics({ topics: [topic] });
  process.stdout.write(`${(await admin.listTopics()).includes(topic)}\n`);
  await admin.close();
}
