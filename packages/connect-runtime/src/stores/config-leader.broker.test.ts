// Two workers that both believe to lead their group, against a real broker: only the later one's writes are read.
import { silentLogger, systemClock } from '@millrace/foundation';
import { Admin, Cluster, TransactionalProducer } from '@millrace/kafka-client';
import { type MillraceProcess, startMillrace } from '@millrace/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { logOpener } from '../topic-log.ts';
import { ConfigStore } from './config-store.ts';
import { PrivilegedWriter } from './privileged-writer.ts';

let millrace: MillraceProcess;
const cleanups: (() => PromiseLike<unknown>)[] = [];
beforeAll(async () => {
  millrace = await startMillrace();
});
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
  await millrace[Symbol.asyncDispose]();
});

interface Believer {
  readonly store: ConfigStore;
  leads: boolean;
}

async function believer(topic: string): Promise<Believer> {
  const parts = { logger: silentLogger, clock: systemClock };
  const cluster = new Cluster({ bootstrapServers: millrace.kafka, clientId: 'leader', ...parts });
  const made: Believer = {
    leads: true,
    store: new ConfigStore({
      topic,
      replicationFactor: 1,
      openLog: logOpener({ cluster, admin: new Admin(cluster), ...parts }),
      logger: silentLogger,
      privileged: new PrivilegedWriter({
        cluster,
        ...parts,
        topic,
        transactionalId: `connect-cluster-${topic}`,
        leads: () => made.leads,
      }),
      onChange: () => undefined,
      onError: (error) => {
        throw error;
      },
    }),
  };
  await made.store.start();
  cleanups.push(async () => {
    await made.store.close();
    await cluster.close();
  });
  return made;
}

const config = { 'connector.class': 'X' };
const refused = { code: 'connect.config_write_failed' };

test('INV-2: what a leader writes after another one has begun is refused and never read', async () => {
  const old = await believer('two-leaders');
  const next = await believer('two-leaders');
  await old.store.lead();
  await old.store.putConnector('first', config);
  await next.store.lead();
  expect(next.store.state.connectors()).toEqual(['first']);
  await expect(old.store.putConnector('late', config)).rejects.toMatchObject(refused);
  await next.store.putConnector('second', config);
  // The old one learns that it does not lead any more: it does not take the right to write back.
  old.leads = false;
  await expect(old.store.putTasks('first', [{ late: 'yes' }])).rejects.toMatchObject(refused);
  // It has fenced the next one by trying, which claims the right again.
  await expect(next.store.putConnector('third', config)).rejects.toMatchObject(refused);
  await next.store.putConnector('third', config);
  for (const { store } of [old, next]) {
    await store.refresh();
    expect(store.state.connectors()).toEqual(['first', 'second', 'third']);
    expect(store.state.tasks('first')).toEqual([]);
  }
});

test('INV-7: what a leader that died has left undecided keeps nobody from his place, and the next one ends it', async () => {
  const topic = 'left-open';
  const { store } = await believer(topic);
  const parts = { logger: silentLogger, clock: systemClock };
  const cluster = new Cluster({ bootstrapServers: millrace.kafka, clientId: 'dead', ...parts });
  cleanups.push(() => cluster.close());
  const transaction = { id: `connect-cluster-${topic}` };
  const dead = new TransactionalProducer({ cluster, ...parts, transaction, autoCreateTopics: false });
  await dead.init();
  dead.begin();
  const [key, value] = ['connector-undecided', JSON.stringify({ properties: config })].map((text) =>
    Buffer.from(text),
  ) as [Buffer, Buffer];
  await dead.send({ topic, partition: 0, key, value });
  await store.catchUp();
  const waiting = store.refresh().then(() => 'read');
  expect(await Promise.race([waiting, store.catchUp().then(() => 'undecided')])).toBe('undecided');
  await store.lead();
  expect(await waiting).toBe('read');
  expect(store.state.connectors()).toEqual([]);
});

test('task configs and their commit are one transaction', async () => {
  const { store } = await believer('one-transaction');
  await store.lead();
  await store.putConnector('c', config);
  await store.putTasks('c', [{ t: '0' }, { t: '1' }]);
  expect(store.state.tasks('c')).toEqual([{ t: '0' }, { t: '1' }]);
  expect(store.state.needsFencing('c')).toBe(true);
  await store.putTasksFencing('c', 2);
  expect([store.state.needsFencing('c'), store.state.producerCount('c')]).toEqual([false, 2]);
});
