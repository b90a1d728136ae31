import { type Clock, silentLogger, systemClock } from '@millrace/foundation';
import { expect, test } from 'vitest';
import { BrokerConfig } from '../metadata/broker-config.ts';
import { MetadataLog } from '../metadata/metadata-log.ts';
import { type MetadataRecord, Topics } from '../metadata/topics.ts';
import { MemoryDisk } from '../testing/memory-disk.ts';
import { openTestLogs } from '../testing/test-log.ts';
import { writeMarker } from '../transactions/markers.ts';
import { GroupCoordinator } from './coordinator.ts';
import { join, sync } from './group-requests.ts';

const DAY_MS = 86_400_000;

const { config } = BrokerConfig.parse({ 'group.initial.rebalance.delay.ms': '0' });

async function openTopics(disk: MemoryDisk): Promise<Topics> {
  const { directory, space } = await openTestLogs(disk);
  const opened = await MetadataLog.open<MetadataRecord>(
    disk,
    '/data/log/metadata.log',
    space,
    directory.wasClean,
  );
  const topics = new Topics(directory, opened.log, config, silentLogger);
  await topics.open(opened.records);
  return topics;
}

/** The coordinator of a broker that starts on this disk, `nowMs` by its clock. */
async function startOn(
  disk: MemoryDisk,
  nowMs: () => number,
): Promise<{ topics: Topics; groups: GroupCoordinator }> {
  const topics = await openTopics(disk);
  const clock: Clock = { ...systemClock, nowMs };
  const groups = new GroupCoordinator(topics, config, clock, silentLogger);
  await groups.load();
  return { topics, groups };
}

function offset(topicId: string, commitTimestamp: number) {
  const value = { offset: 7, leaderEpoch: -1, metadata: 'm', commitTimestamp, topicId };
  return { kind: 'offset' as const, group: 'g', topic: 'events', partition: 0, value };
}

async function joinAs(
  groups: GroupCoordinator,
  id: string,
  metadata: Buffer = Buffer.from('m'),
): Promise<string> {
  const { memberId } = await join(groups.ensure(id), {
    memberId: '',
    groupInstanceId: 'static',
    clientId: 'c',
    clientHost: '/127.0.0.1',
    rebalanceTimeoutMs: 60_000,
    sessionTimeoutMs: 60_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata }],
    requireKnownMemberId: false,
    canSkipAssignment: true,
  });
  return memberId;
}

test('Committed offsets are there after a kill', async () => {
  const disk = new MemoryDisk();
  const { topics, groups } = await startOn(disk, Date.now);
  const { id } = await topics.create('events', 1, {});
  await groups.commit('g', [offset(id, Date.now())]);
  const again = await startOn(disk.afterKill(), Date.now);
  expect(again.groups.offsetsOf('g').get('events')?.get(0)).toMatchObject({ offset: 7, metadata: 'm' });
  expect(again.groups.group('g')?.state).toBe('Empty');
});

test('Offsets of a deleted topic do not come back with a topic of the same name', async () => {
  const disk = new MemoryDisk();
  const { topics, groups } = await startOn(disk, Date.now);
  const topic = await topics.create('events', 1, {});
  await groups.commit('g', [offset(topic.id, Date.now())]);
  const before = disk.afterKill();
  await topics.delete(topic);
  expect(groups.offsetsOf('g').size).toBe(0);
  // A crash came before the offsets were taken back: their topic id gives them away.
  const crashed = await openTopics(before);
  const doomed = crashed.get('events');
  if (doomed) await crashed.delete(doomed);
  await crashed.create('events', 1, {});
  expect((await startOn(before.afterKill(), Date.now)).groups.offsetsOf('g').size).toBe(0);
});

test('Offsets expire when their group has been empty for a week, and not while it has members', async () => {
  let now = 1_700_000_000_000;
  const { topics, groups } = await startOn(new MemoryDisk(), () => now);
  const { id } = await topics.create('events', 1, {});
  await groups.commit('g', [offset(id, now)]);
  await groups.commit('busy', [{ ...offset(id, now), group: 'busy' }]);
  await joinAs(groups, 'busy');
  now += 6 * DAY_MS;
  await groups.expire();
  expect(groups.offsetsOf('g').size).toBe(1);
  now += 2 * DAY_MS;
  await groups.expire();
  expect([groups.offsetsOf('g').size, groups.group('g'), groups.offsetsOf('busy').size]).toEqual([
    0,
    undefined,
    1,
  ]);
  groups.close();
});

test('Offsets of a topic that a group no longer reads expire while it lives; those of its topics stay', async () => {
  let now = 1_700_000_000_000;
  const { topics, groups } = await startOn(new MemoryDisk(), () => now);
  const old = await topics.create('old', 1, {});
  const read = await topics.create('events', 1, {});
  await groups.commit('g', [offset(read.id, now), { ...offset(old.id, now), topic: 'old' }]);
  // A subscription to `events` in Kafka's layout: version, one name.
  const metadata = Buffer.from([0, 0, 0, 0, 0, 1, 0, 6, ...Buffer.from('events')]);
  const group = groups.ensure('g');
  const memberId = await joinAs(groups, 'g', metadata);
  await sync(group, {
    memberId,
    groupInstanceId: 'static',
    generationId: group.generation,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: new Map([[memberId, Buffer.alloc(0)]]),
  });
  expect(groups.group('g')?.state).toBe('Stable');
  now += 8 * DAY_MS;
  await groups.expire();
  expect([...groups.offsetsOf('g').keys()]).toEqual(['events']);
  groups.close();
});

test('Offsets of a transaction count from its commit on, also when a kill comes between', async () => {
  const disk = new MemoryDisk();
  const { topics, groups } = await startOn(disk, Date.now);
  const { id } = await topics.create('events', 1, {});
  const producer = { producerId: 5, producerEpoch: 0 };
  const inGroup = (group: string) => ({ ...offset(id, Date.now()), group });
  await groups.offsetsTopic();
  for (const group of ['g', 'deleted']) await groups.commitInTransaction(group, producer, [inGroup(group)]);
  expect(groups.offsetsOf('g').size).toBe(0);
  expect(groups.pending.has('g', 'events', 0)).toBe(true);
  // Deleting a group takes back what is pending for it.
  await groups.delete(groups.ensure('deleted'));
  const after = await startOn(disk.afterKill(), Date.now);
  expect(after.groups.pending.has('g', 'events', 0)).toBe(true);
  const log = after.topics.get('__consumer_offsets')?.partitions[0];
  if (!log) throw new Error('no topic of offsets');
  const marker = { ...producer, commit: true, coordinatorEpoch: 0 };
  await writeMarker(log, marker, after.groups, Date.now());
  expect(after.groups.offsetsOf('g').get('events')?.get(0)).toMatchObject({ offset: 7 });
  expect(after.groups.offsetsOf('deleted').size).toBe(0);
  expect(after.groups.pending.hasAny('g')).toBe(false);
});

test('Each group lies in the partition that Kafka would look in, with its transactions, and is found there again', async () => {
  const disk = new MemoryDisk();
  const { topics, groups } = await startOn(disk, Date.now);
  const { id } = await topics.create('events', 1, {});
  const { partitions } = await topics.create('__consumer_offsets', 50, {});
  const in31 = { ...offset(id, Date.now()), group: 'orders' };
  const in13 = { ...offset(id, Date.now()), group: 'payments' };
  const producer = { producerId: 5, producerEpoch: 0 };
  await groups.commit('g', [offset(id, Date.now())]);
  for (const record of [in31, in13]) await groups.commitInTransaction(record.group, producer, [record]);
  const written = partitions.flatMap((log, index) => (log && log.endOffset > 0 ? [index] : []));
  // `Math.abs("g".hashCode()) % 50` and so on, as Java computes them.
  expect(written).toEqual([3, 13, 31]);

  const after = await startOn(disk.afterKill(), Date.now);
  expect(after.groups.offsetsOf('g').get('events')?.get(0)).toMatchObject({ offset: 7 });
  const log = after.topics.get('__consumer_offsets')?.partitions[31];
  if (!log) throw new Error('no partition 31');
  await writeMarker(log, { ...producer, commit: true, coordinatorEpoch: 0 }, after.groups, Date.now());
  // The marker of one partition ends nothing in another.
  expect(after.groups.offsetsOf('orders').get('events')?.get(0)).toMatchObject({ offset: 7 });
  expect(after.groups.pending.hasAny('orders')).toBe(false);
  expect(after.groups.pending.hasAny('payments')).toBe(true);
});

test('A commit after that of an open transaction is not undone by its end', async () => {
  const { topics, groups } = await startOn(new MemoryDisk(), Date.now);
  const { id } = await topics.create('events', 1, {});
  const producer = { producerId: 5, producerEpoch: 0 };
  await groups.offsetsTopic();
  await groups.commitInTransaction('g', producer, [offset(id, Date.now())]);
  const later = offset(id, Date.now());
  await groups.commit('g', [{ ...later, value: { ...later.value, offset: 9 } }]);
  const log = topics.get('__consumer_offsets')?.partitions[0];
  if (!log) throw new Error('no topic of offsets');
  await writeMarker(log, { ...producer, commit: true, coordinatorEpoch: 0 }, groups, Date.now());
  expect(groups.offsetsOf('g').get('events')?.get(0)).toMatchObject({ offset: 9 });
});
