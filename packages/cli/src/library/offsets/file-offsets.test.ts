import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { describeOffsets } from '../../testing/offsets-conformance.ts';
import { fileOffsets } from './file-offsets.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'millrace-offsets-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let used = 0;
const fresh = (): string => path.join(folder, `offsets-${used++}.json`);

describeOffsets('a file', () => {
  const file = fresh();
  return () => fileOffsets(file);
});

test('INV-3: a save that was cut short leaves what was there', async () => {
  const file = fresh();
  await fileOffsets(file).save(new Map([['a', '1']]));
  writeFileSync(`${file}.new`, '{"a"');
  expect(await fileOffsets(file).load()).toEqual(new Map([['a', '1']]));
});

test('nobody else may read it, and nothing is left beside it', async () => {
  const file = fresh();
  await fileOffsets(file).save(new Map([['a', '1']]));
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder).filter((name) => name.startsWith(path.basename(file)))).toEqual([
    path.basename(file),
  ]);
});

test.each([
  ['cut short', '{"a":'],
  ['a list', '[]'],
  ['nothing', ''],
  ['other values', '{"a":1}'],
])('INV-3: a file that holds %s is refused, never taken for empty', async (_what, text) => {
  const file = fresh();
  writeFileSync(file, text);
  await expect(fileOffsets(file).load()).rejects.toMatchObject({ code: 'library.bad_offsets' });
});

test('a folder that is not there is told as such', async () => {
  const offsets = fileOffsets(path.join(folder, 'nowhere/offsets.json'));
  expect(await offsets.load()).toEqual(new Map());
  await expect(offsets.save(new Map([['a', '1']]))).rejects.toMatchObject({ code: 'library.offsets' });
});
