// Sends records of 1 KB in batches of 1,000 through one of the Kafka clients written in JavaScript, as fast as it can, and
// tells its parent when it begins, and in the end how long it took by the clock and in CPU.
// produce.mjs FOLDER CLIENT BOOTSTRAP TOPIC BATCHES (FOLDER has the client's package)
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, client, bootstrap, topic, batches] = process.argv.slice(2);
const PARALLEL = 4;
const value = Buffer.alloc(1024, 120);
const require = createRequire(path.join(folder, 'package.json'));
const load = async (name) => import(pathToFileURL(require.resolve(name)).href);

async function kafkajs() {
  const { Kafka, logLevel, Partitioners } = (await load('kafkajs')).default;
  const kafka = new Kafka({ brokers: [bootstrap], clientId: 'bench', logLevel: logLevel.ERROR });
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
  });
  await producer.connect();
  const messages = Array.from({ length: 1000 }, () => ({ value, partition: 0 }));
  return {
    send: () => producer.send({ topic, acks: -1, messages }),
    close: () => producer.disconnect(),
  };
}

async function platformatic() {
  const { Producer } = await load('@platformatic/kafka');
  const producer = new Producer({ clientId: 'bench', bootstrapBrokers: [bootstrap] });
  const messages = Array.from({ length: 1000 }, () => ({ topic, value, partition: 0 }));
  return {
    send: () => producer.send({ acks: -1, messages }),
    close: () => producer.close(),
  };
}

const { send, close } = await { kafkajs, platformatic }[client]();

async function run(count) {
  let left = count;
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      while (left-- > 0) await send();
    }),
  );
}

await run(Math.ceil(batches / 4)); // warms up
process.send({ began: true });
const start = performance.now();
const cpuStart = process.cpuUsage();
await run(Number(batches));
const { user, system } = process.cpuUsage(cpuStart);
process.send({ seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 });
await close();
process.disconnect();
