import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TopicLog } from '@millrace/connect-api';
import { systemClock } from '@millrace/foundation';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeOffsetFile } from './java-offsets.ts';
import { offsetFileLog } from './local-logs.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'millrace-offsets-'));
  file = path.join(folder, 'deep', 'connect.offsets');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function opened(at = file): Promise<{ log: TopicLog; read: [string, string | undefined][] }> {
  const read: [string, string | undefined][] = [];
  const log = await offsetFileLog(at, systemClock)('offsets', {
    from: 'beginning',
    onRecord: ({ key, value }) => read.push([String(key), value?.toString()]),
    onError: (error) => {
      throw error;
    },
  });
  return { log, read };
}
const stored = (at = file): Record<string, string> =>
  Object.fromEntries(decodeOffsetFile(readFileSync(at)).map(([key, value]) => [String(key), String(value)]));
const put = (log: TopicLog, key: string, value: string | null): Promise<void> =>
  log.append(Buffer.from(key), value === null ? null : Buffer.from(value));

describe('the offset file of a standalone worker', () => {
  it('INV-1: has an offset before whoever stored it is told', async () => {
    const { log, read } = await opened();
    for (let i = 0; i < 5; i++) {
      await put(log, 'a', String(i));
      expect(stored()).toEqual({ a: String(i) });
      expect(read.at(-1)).toEqual(['a', String(i)]);
    }
    await Promise.all(Array.from({ length: 50 }, (_, i) => put(log, `k${i}`, 'x')));
    await put(log, 'a', null);
    expect(Object.keys(stored())).toHaveLength(50);
    expect((await opened()).read).toHaveLength(50);
  });

  it('is its owner’s alone, or as it was', async () => {
    const { log } = await opened();
    await put(log, 'a', '1');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    chmodSync(file, 0o644);
    await put(log, 'a', '2');
    expect(statSync(file).mode & 0o777).toBe(0o644);
  });

  it('stays where a link leads', async () => {
    const target = path.join(folder, 'target');
    writeFileSync(target, '');
    symlinkSync(target, path.join(folder, 'link'));
    const { log } = await opened(path.join(folder, 'link'));
    await put(log, 'a', '1');
    expect(stored(target)).toEqual({ a: '1' });
  });

  it('INV-3: is not begun anew when it cannot be read', async () => {
    const at = path.join(folder, 'broken');
    writeFileSync(at, 'no map of Java');
    await expect(opened(at)).rejects.toMatchObject({
      code: 'connect.offset_file',
      configKey: 'offset.storage.file.filename',
    });
    expect(readFileSync(at, 'utf8')).toBe('no map of Java');
  });

  it('INV-1: tells of what cannot be written', async () => {
    const { log } = await opened(path.join(folder, 'taken', 'offsets'));
    writeFileSync(path.join(folder, 'taken'), '');
    await expect(put(log, 'a', '1')).rejects.toMatchObject({ code: 'connect.offset_file' });
  });
});
