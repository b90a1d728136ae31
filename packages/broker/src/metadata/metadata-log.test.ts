import { silentLogger } from '@millrace/foundation';
import { expect, test } from 'vitest';
import { DiskSpace } from '../log/disk-space.ts';
import { MemoryDisk } from '../testing/memory-disk.ts';
import { MetadataLog } from './metadata-log.ts';

interface Note {
  readonly text: string;
}

const PATH = '/data/metadata.log';
const NOTES: readonly Note[] = [{ text: 'first' }, { text: 'second' }, { text: 'third' }];

async function openLog(disk: MemoryDisk): Promise<{ log: MetadataLog<Note>; records: Note[] }> {
  disk.makeDirectory('/data');
  await disk.syncDirectory('/');
  return MetadataLog.open<Note>(disk, PATH, new DiskSpace(disk, '/data', 4096, silentLogger), false);
}

test('INV-12: records that a start found after a kill outlive a power cut', async () => {
  const disk = new MemoryDisk();
  const { log } = await openLog(disk);
  disk.syncTurns = () => 1000;
  const appending = log.append(NOTES[0] as Note);
  await Promise.resolve();
  const killed = disk.afterKill();
  await appending;
  killed.syncTurns = () => 1;
  expect((await openLog(killed)).records).toEqual([NOTES[0]]);
  expect((await openLog(killed.afterPowerCut(() => 0))).records).toEqual([NOTES[0]]);
});

test('Records that were appended together are all there or none is, wherever the write was torn', async () => {
  const disk = new MemoryDisk();
  const { log } = await openLog(disk);
  await log.append({ text: 'before' });
  const start = disk.readFile(PATH)?.length ?? 0;
  await log.append(...NOTES);
  const whole = disk.readFile(PATH) ?? Buffer.alloc(0);
  for (let size = start; size <= whole.length; size++) {
    for (const isZeroed of [false, true]) {
      const torn = disk.afterKill();
      const file = torn.open(PATH);
      file.truncate(size);
      if (isZeroed) file.truncate(whole.length);
      const { records } = await openLog(torn);
      expect(records).toEqual(size < whole.length ? [{ text: 'before' }] : [{ text: 'before' }, ...NOTES]);
    }
  }
});
