import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { type SpoolFile, TransactionSpool } from './transaction-spool.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'millrace-spool-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const BIG = 1024 * 1024;
const open = (maxBytes = BIG, blockBytes = 64): TransactionSpool =>
  new TransactionSpool({ folder, maxBytes, blockBytes });

async function add(spool: TransactionSpool, sub: number, lsn: number, text: string): Promise<void> {
  const bytes = Buffer.from(`....${text}`);
  await spool.append(sub, lsn, { type: 0x49, bytes, from: 4, end: bytes.length });
}

async function changesOf(spool: TransactionSpool, xid: number): Promise<[unknown, string][]> {
  const changes: [unknown, string][] = [];
  await spool.replay(xid, (lsn, bytes, start, end) => {
    changes.push([lsn, bytes.toString('utf8', start, end)]);
    return undefined;
  });
  return changes;
}

test('INV-2: transactions come out whole and in the order of their changes, whatever was in between', async () => {
  const spool = open();
  for (const [xid, lsn, text] of [
    [1, 10, 'a'],
    [2, 11, 'x'.repeat(500)],
    [1, 12, ''],
    [2, 13, 'y'],
    [1, 14, 'b'.repeat(60)],
  ] as const) {
    spool.begin(xid);
    await add(spool, xid, lsn, text);
    await spool.end();
  }
  expect(readdirSync(folder)).toEqual([]);
  expect(await changesOf(spool, 2)).toEqual([
    [11, `I${'x'.repeat(500)}`],
    [13, 'Iy'],
  ]);
  expect(await changesOf(spool, 1)).toEqual([
    [10, 'Ia'],
    [12, 'I'],
    [14, `I${'b'.repeat(60)}`],
  ]);
  expect(spool.bytes).toBe(0);
  expect(await changesOf(spool, 1)).toEqual([]);
});

test('changes of subtransactions that were rolled back are gone, and their room with them', async () => {
  type Step = { readonly depth: number; readonly rows: number; readonly rolledBack: boolean };
  const steps = fc.array(
    fc.record({
      depth: fc.integer({ min: 0, max: 4 }),
      rows: fc.integer({ min: 0, max: 5 }),
      rolledBack: fc.boolean(),
    }),
    { maxLength: 40 },
  );
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 20, max: 200 }), async (program: Step[], blockBytes) => {
      const spool = open(BIG, blockBytes);
      // A stack of savepoints: xid, and the changes as of its beginning.
      const stack: { xid: number; from: number; children: number[] }[] = [{ xid: 7, from: 0, children: [] }];
      let expected: [unknown, string][] = [];
      let next = 8;
      for (const [lsn, { depth, rows, rolledBack }] of program.entries()) {
        while (stack.length > depth + 1) {
          const top = stack.pop();
          const parent = stack.at(-1);
          if (top === undefined || parent === undefined) throw new Error('the stack is empty');
          if (rolledBack) {
            expected = expected.slice(0, top.from);
            for (const sub of [...top.children, top.xid]) await spool.abort(7, sub);
          } else parent.children.push(...top.children, top.xid);
        }
        while (stack.length < depth + 1) stack.push({ xid: next++, from: expected.length, children: [] });
        spool.begin(7);
        for (let row = 0; row < rows; row++) {
          const text = `${lsn}/${row}`.repeat(1 + (row % 3) * 10);
          await add(spool, stack.at(-1)?.xid ?? 0, lsn, text);
          expected.push([lsn, `I${text}`]);
        }
        await spool.end();
      }
      expect(spool.hasChanges(7)).toBe(expected.length > 0);
      expect(await changesOf(spool, 7)).toEqual(expected);
      expect(spool.bytes).toBe(0);
      await spool.close();
    }),
    { numRuns: 150 },
  );
});

test('a transaction that was rolled back leaves nothing', async () => {
  const spool = open();
  spool.begin(1);
  await add(spool, 1, 5, 'a');
  await spool.end();
  await spool.abort(1, 1);
  await spool.abort(1, 2);
  expect(spool.bytes).toBe(0);
  expect(spool.hasChanges(1)).toBe(false);
  expect(await changesOf(spool, 1)).toEqual([]);
});

test('INV-5: all transactions together have a bound, and the error names its key', async () => {
  const spool = open(100);
  spool.begin(1);
  await add(spool, 1, 5, 'x'.repeat(40));
  await spool.end();
  spool.begin(2);
  await expect(add(spool, 2, 6, 'x'.repeat(40))).rejects.toMatchObject({
    code: 'postgres.spool_full',
    configKey: 'millrace.streaming.max.bytes',
  });
  await spool.close();
});

test('INV-3: a disk that is full is an error that says what to do; a short write is finished', async () => {
  let room = 90;
  const written = Buffer.alloc(200);
  const file: SpoolFile = {
    write: ((bytes: Buffer, from: number, length: number, position: number) => {
      if (room === 0) return Promise.reject(Object.assign(new Error('ENOSPC: no space left on device')));
      const bytesWritten = Math.min(length, 7, room);
      room -= bytesWritten;
      bytes.copy(written, position, from, from + bytesWritten);
      return Promise.resolve({ bytesWritten, buffer: bytes });
    }) as SpoolFile['write'],
    read: ((bytes: Buffer, at: number, length: number, position: number) => {
      const bytesRead = Math.min(length, 9);
      written.copy(bytes, at, position, position + bytesRead);
      return Promise.resolve({ bytesRead, buffer: bytes });
    }) as SpoolFile['read'],
    truncate: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  const make = (): TransactionSpool =>
    new TransactionSpool({
      folder: '/no/such/folder',
      maxBytes: BIG,
      blockBytes: 64,
      openFile: () => Promise.resolve(file),
    });
  const spool = make();
  spool.begin(1);
  await add(spool, 1, 5, 'x'.repeat(30));
  await spool.end();
  expect(await changesOf(spool, 1)).toEqual([[5, `I${'x'.repeat(30)}`]]);
  const other = make();
  other.begin(1);
  await add(other, 1, 5, 'x'.repeat(50));
  await expect((async () => await other.end())()).rejects.toMatchObject({
    code: 'postgres.spool_failed',
    configKey: 'millrace.streaming',
    message: expect.stringContaining('/no/such/folder'),
  });
  await other.close();
});
