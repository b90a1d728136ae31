// Producers of the Kafka clients written in JavaScript, whose own core is their limit: what they reach on the bundled
// broker (policy os) beside what they reach on a broker that does nothing. `--batches` of 1,000 records of 1 KB (times 4
// for the faster client), `--rounds`.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@millrace/foundation';
import { BrokerProcess } from './broker-process.ts';
import { PlainServer } from './machine.ts';
import { count, cpuSeconds, median, option, say, warmMemory } from './measure.ts';
import { neededClients } from './needs.ts';

const batches = option('batches', 300);
const rounds = option('rounds', 5);
const BATCH = 1000;
const TOPIC = 'bench';
/** `most` is the share of a core that the broker may take, `times` makes both run for some seconds. */
const CLIENTS = [
  { name: 'kafkajs 2.2.4', client: 'kafkajs', package: 'kafkajs@2.2.4', times: 1, most: 0.2 },
  {
    name: '@platformatic/kafka 1.35.0',
    client: 'platformatic',
    package: '@platformatic/kafka@1.35.0',
    times: 4,
    most: undefined,
  },
] as const;
type Client = (typeof CLIENTS)[number];
const script = path.join(path.dirname(fileURLToPath(import.meta.url)), '../clients/produce.mjs');
const folder = await neededClients(CLIENTS.map((it) => it.package));

interface Seen {
  readonly recordsPerSecond: number;
  /** Shares of a core. */
  readonly client: number;
  readonly server: number;
}

async function produce(
  { client, times }: Client,
  server: { readonly pid: number; readonly port: number },
): Promise<Seen> {
  const sends = batches * times;
  const child = fork(script, [folder, client, `127.0.0.1:${server.port}`, TOPIC, String(sends)]);
  const ended = once(child, 'exit').then(([code]) => {
    if (code !== 0) throw new Error(`${client} ended with ${code}`);
  });
  const message = async (): Promise<Record<string, number>> => {
    const [found] = (await Promise.race([
      once(child, 'message'),
      ended.then(() => {
        throw new Error(`${client} ended without a result`);
      }),
    ])) as [Record<string, number>];
    return found;
  };
  await message();
  const before = cpuSeconds(server.pid);
  const { seconds = 0, cpuSeconds: cpu = 0 } = await message();
  const taken = cpuSeconds(server.pid) - before;
  await ended;
  return { recordsPerSecond: (sends * BATCH) / seconds, client: cpu / seconds, server: taken / seconds };
}

async function onNoop(client: Client): Promise<Seen> {
  using server = await PlainServer.noopBroker(TOPIC);
  return await produce(client, server);
}

/** In a topic that is deleted afterwards: its pages of memory are used again. */
async function onBroker(client: Client, broker: BrokerProcess): Promise<Seen> {
  await broker.createTopics({ [TOPIC]: 1 });
  const seen = await produce(client, broker);
  await broker.deleteTopics([TOPIC]);
  await systemClock.sleep(300);
  return seen;
}

await using broker = await BrokerProcess.start({
  'millrace.log.flush.policy': 'os',
  'log.segment.delete.delay.ms': '1',
});
say(
  `\nProducers with their own core as limit, records of 1 KB in batches of ${count(BATCH)}, median of ${rounds}`,
);
for (const client of CLIENTS) {
  const { name, most } = client;
  const noop: Seen[] = [];
  const ours: Seen[] = [];
  await onBroker(client, broker); // warms up
  await warmMemory();
  for (let round = 0; round < rounds; round++) {
    noop.push(await onNoop(client));
    ours.push(await onBroker(client, broker));
  }
  const of = (all: readonly Seen[], what: keyof Seen): number => median(all.map((it) => it[what]));
  const ratio = of(ours, 'recordsPerSecond') / of(noop, 'recordsPerSecond');
  const share = of(ours, 'server');
  const percent = (part: number): string => `${(100 * part).toFixed(0)} %`;
  const isMet = ratio >= 0.9 && (most === undefined || share <= most);
  const budget = most === undefined ? '0.9 x' : `0.9 x, ${percent(most)} of a core`;
  say(
    `  ${name.padEnd(28)} ${count(of(ours, 'recordsPerSecond'))} records/s = ${ratio.toFixed(2)} x a broker that does nothing (${count(of(noop, 'recordsPerSecond'))}); client ${percent(of(ours, 'client'))} of a core, broker ${percent(share)}   ${budget}: ${isMet ? 'met' : 'missed'}`,
  );
}
