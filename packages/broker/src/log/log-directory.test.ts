import { expect, test } from 'vitest';
import { MemoryDisk } from '../testing/memory-disk.ts';
import { appendDurably, openTestLogs, TEST_CONFIG, type TestLogs } from '../testing/test-log.ts';
import type { OpenRequest } from './log-directory.ts';

const LATER_TOPIC_ID = 'bQ39I2LdzSNq0EHdPEavuA';
const POINTS = '/data/log/recovery-point-offset-checkpoint';

const LATER: OpenRequest = {
  topic: 't',
  topicId: LATER_TOPIC_ID,
  partition: 0,
  internal: false,
  config: TEST_CONFIG,
};

/** A topic with five records, trimmed, which the checkpoints speak of. */
async function withCheckpoints(disk: MemoryDisk): Promise<TestLogs> {
  const logs = await openTestLogs(disk);
  const log = await logs.open();
  for (let i = 0; i < 5; i++) await appendDurably(log, `value ${i}`);
  log.advanceStart(3);
  return logs;
}

for (const isUnderWay of [false, true]) {
  const title = isUnderWay ? ', also when they are being stored' : '';
  test(`INV-4: checkpoints of a deleted topic do not count for a later one of its name${title}`, async () => {
    const disk = new MemoryDisk();
    const logs = await withCheckpoints(disk);
    const storing = logs.directory.checkpoint();
    if (!isUnderWay) await storing;
    for (const [, log] of logs.directory.logs()) logs.directory.delete(log, 'X39I2LdzSNq0EHdPEavubQ');
    const later = await logs.directory.create(LATER);
    await appendDurably(later, 'only');
    for (const left of [disk.afterKill(), disk.afterPowerCut(() => 0)]) {
      const { directory } = await openTestLogs(left);
      const found = await directory.open(LATER);
      expect({ start: found.startOffset, end: found.endOffset }).toEqual({ start: 0, end: 1 });
    }
  });
}

test('The recovery point of a partition that is offline stays stored', async () => {
  const disk = new MemoryDisk();
  const logs = await withCheckpoints(disk);
  await logs.directory.checkpoint();
  const killed = disk.afterKill();
  killed.open('/data/log/t-0/00000000000000000000.log').truncate(10);
  for (let start = 0; start < 2; start++) {
    const { open, directory } = await openTestLogs(killed);
    await expect(open()).rejects.toMatchObject({ code: 'broker.log_corrupt' });
    await directory.checkpoint();
    expect(killed.readFile(POINTS)?.toString()).toContain('t 0 5');
  }
});

test('INV-12: a start that was stored does not go back when the power fails before old segments are gone', async () => {
  const disk = new MemoryDisk();
  const { open, directory } = await openTestLogs(disk);
  const log = await open();
  await appendDurably(log, 'a', 'b');
  await log.roll();
  await appendDurably(log, 'c');
  log.advanceStart(2);
  await directory.checkpoint();
  const found = await (await openTestLogs(disk.afterPowerCut(() => 0))).open();
  expect(found.startOffset).toBe(2);
});

test('INV-12: a topic that is made while the broker closes holds nothing that the marker of a clean shutdown speaks of', async () => {
  const disk = new MemoryDisk();
  const { open, directory } = await openTestLogs(disk);
  await appendDurably(await open(), 'before');
  const making = directory.create({ ...LATER, topic: 'late' });
  const closing = directory.close();
  await expect(making).rejects.toMatchObject({ errorCode: 41 });
  await closing;
  const later = await openTestLogs(disk.afterKill());
  expect(later.directory.wasClean).toBe(true);
  expect(await later.directory.open({ ...LATER, topic: 'late' })).toMatchObject({ endOffset: 0 });
  expect(await later.open()).toMatchObject({ endOffset: 1 });
});
