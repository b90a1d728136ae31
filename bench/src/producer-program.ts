// The raw loop beside a source task: the same bytes into our producer, `producer-program.js BOOTSTRAP TOPIC RECORDS BYTES`.
// Sends the CPU seconds of the loop, in microseconds, once everything is durable.
import { silentLogger, systemClock } from '@millrace/foundation';
import { BatchProducer, Cluster } from '@millrace/kafka-client';

const [, , bootstrapServers = '', topic = '', records = '0', bytes = '0'] = process.argv;
const cluster = new Cluster({ bootstrapServers, clientId: 'raw', logger: silentLogger, clock: systemClock });
let acked = 0;
const producer = new BatchProducer({
  cluster,
  logger: silentLogger,
  clock: systemClock,
  onAcked: (tokens) => {
    acked += tokens.length;
  },
});
await producer.prepare(topic);
const value = Buffer.alloc(Number(bytes), 120);
const before = process.cpuUsage();
const nowMs = Date.now();
for (let i = 0; i < Number(records); i++) {
  while (!producer.append(topic, null, nowMs, value, -1, 0, 0, value.length, null, i)) await producer.ready();
}
await producer.flush();
const { user, system } = process.cpuUsage(before);
if (acked !== Number(records)) throw new Error(`${acked} of ${records} were acknowledged`);
process.send?.(user + system);
await producer.close();
await cluster.close();
process.disconnect();
