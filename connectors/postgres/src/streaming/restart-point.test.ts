import type { OffsetMap } from '@millrace/connect-api';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChangeOffset, confirmablePosition, MarkOffset, parseOffset } from '../offset.ts';
import { RestartPoint } from './restart-point.ts';

interface Change {
  readonly xid: number;
  readonly commitLsn: number;
  readonly lsn: number;
  readonly nth: number;
}

/** A WAL of overlapping transactions: each change and each commit takes the next position; some changes share one. */
function transactions(script: readonly number[], shared: readonly boolean[]): Change[][] {
  const open = new Map<number, { lsn: number; nth: number }[]>();
  const committed: Change[][] = [];
  let lsn = 100;
  script.forEach((step, i) => {
    const xid = 700 + (step >> 1);
    const rows = open.get(xid) ?? [];
    lsn += 8;
    if ((step & 1) === 0 || rows.length === 0) {
      const last = rows.at(-1);
      if (shared[i % shared.length] && last !== undefined && last.lsn === lsn - 8) {
        lsn -= 8;
        rows.push({ lsn, nth: last.nth + 1 });
      } else rows.push({ lsn, nth: 1 });
      open.set(xid, rows);
    } else {
      committed.push(rows.map((row) => ({ xid: xid + committed.length * 1000, commitLsn: lsn, ...row })));
      open.delete(xid);
    }
  });
  return committed;
}

/** Every third transaction has nothing for us: the server tells of it, and no offset does. */
const isForUs = ({ xid }: Change): boolean => Math.floor(xid / 1000) % 3 !== 1;

const workload = fc.tuple(
  fc.array(fc.integer({ min: 0, max: 7 }), { minLength: 5, maxLength: 40 }),
  fc.array(fc.boolean(), { minLength: 1, maxLength: 5 }),
);

function replay(all: readonly Change[][], point: RestartPoint): Change[] {
  const delivered: Change[] = [];
  for (const rows of all) {
    const first = rows[0];
    if (first === undefined) continue;
    point.begin(first.xid, first.commitLsn);
    delivered.push(...rows.filter((row) => isForUs(row) && point.isNew(row.lsn)));
  }
  return delivered;
}

const id = (change: Change): string => `${change.xid}:${change.lsn}:${change.nth}`;

describe('restart', () => {
  test('from the offset of any change goes on exactly after it, with transactions overlapping (INV-2, INV-3)', () => {
    fc.assert(
      fc.property(workload, ([script, shared]) => {
        const all = transactions(script, shared);
        const changes = all.flat().filter(isForUs);
        let lastCommit: number | null = null;
        let done = 0;
        for (const rows of all.filter(([row]) => row !== undefined && isForUs(row))) {
          for (const row of rows) {
            done++;
            const position = {
              xid: row.xid,
              commitTimeUs: 1,
              lastCommitLsn: lastCommit,
              handedOutLsn: 0,
              xmin: null,
            };
            const stored = parseOffset(new ChangeOffset(position, row.lsn, 'INSERT', row.nth).toOffsetMap());
            if (stored === undefined) throw new Error('no offset');
            expect(replay(all, new RestartPoint(stored, 0)).map(id)).toEqual(changes.slice(done).map(id));
          }
          lastCommit = (rows[0]?.commitLsn ?? 0) + 4;
        }
      }),
    );
  });

  test('does not take a position that the server passes for one to go on from before it is (INV-3)', () => {
    let marks = 0;
    fc.assert(
      fc.property(workload, fc.nat(), ([script, shared], at) => {
        const all = transactions(script, shared);
        const changes = all.flat().filter(isForUs);
        const from = changes[at % Math.max(1, changes.length)];
        if (from === undefined) return;
        const before = all
          .slice(
            0,
            all.findIndex((rows) => rows.includes(from)),
          )
          .filter(([row]) => row !== undefined && isForUs(row))
          .at(-1);
        const position = (xid: number, lastCommitLsn: number | null) => ({
          xid,
          commitTimeUs: 1,
          lastCommitLsn,
          handedOutLsn: 0,
          xmin: null,
        });
        const lastCommit = before?.[0] === undefined ? null : before[0].commitLsn + 4;
        const map = new ChangeOffset(
          position(from.xid, lastCommit),
          from.lsn,
          'INSERT',
          from.nth,
        ).toOffsetMap();
        const stored = parseOffset(map);
        const walEnd = (all.at(-1)?.[0]?.commitLsn ?? 0) + 4;
        if (stored === undefined) throw new Error('no offset');
        const point = new RestartPoint(stored, walEnd);
        let last: OffsetMap = stored.map;
        let left = changes.slice(changes.indexOf(from) + 1);
        let passed = 0;
        for (const rows of all) {
          const { xid, commitLsn } = rows[0] ?? from;
          // Where the server is when it is asked, before it sends the transaction.
          for (let lsn = passed; lsn < commitLsn; lsn += 4) {
            if (point.isBehind(lsn)) continue;
            const mark = parseOffset(new MarkOffset(last, lsn, undefined).toOffsetMap());
            if (mark === undefined) throw new Error('no offset');
            marks++;
            expect(confirmablePosition(mark)).toBeGreaterThanOrEqual(confirmablePosition(stored));
            expect(replay(all, new RestartPoint(mark, walEnd)).map(id)).toEqual(left.map(id));
          }
          passed = commitLsn + 4;
          for (const row of replay([rows], point)) {
            left = left.slice(1);
            const end = new ChangeOffset(position(xid, commitLsn + 4), row.lsn, 'INSERT', row.nth);
            last = new MarkOffset(end, commitLsn + 4, undefined).toOffsetMap();
          }
        }
        expect(point.isBehind(walEnd)).toBe(false);
      }),
    );
    expect(marks).toBeGreaterThan(100);
  });

  test('from a mark between transactions skips what committed before it and nothing else (INV-3)', () => {
    fc.assert(
      fc.property(workload, ([script, shared]) => {
        const all = transactions(script, shared);
        all.forEach((rows, i) => {
          const last = rows.at(-1);
          if (last === undefined || !isForUs(last)) return;
          const position = {
            xid: last.xid,
            commitTimeUs: 1,
            lastCommitLsn: null,
            handedOutLsn: 0,
            xmin: null,
          };
          const map = new ChangeOffset(position, last.lsn, 'INSERT', last.nth).toOffsetMap();
          const stored = parseOffset(new MarkOffset(map, last.commitLsn + 4, undefined).toOffsetMap());
          if (stored === undefined) throw new Error('no offset');
          expect(replay(all, new RestartPoint(stored, 0)).map(id)).toEqual(
            all
              .slice(i + 1)
              .flat()
              .filter(isForUs)
              .map(id),
          );
        });
      }),
    );
  });

  test('does not take the transaction of a snapshot for one of the stream', () => {
    const stored = parseOffset({
      lsn: 500,
      txId: 900,
      snapshot: 'INITIAL',
      snapshot_completed: true,
      last_snapshot_record: true,
    });
    if (stored === undefined) throw new Error('no offset');
    const point = new RestartPoint(stored, 0);
    // Written before the snapshot's position by a transaction that committed after it: not in the snapshot.
    point.begin(900, 600);
    expect(point.isNew(450)).toBe(true);
  });

  test('passes the transaction that a mark before its commit names, whole (INV-3)', () => {
    const stored = parseOffset({
      lsn_proc: 500,
      messageType: 'COMMIT',
      lsn_commit: 500,
      lsn: 420,
      txId: 700,
    });
    if (stored === undefined) throw new Error('no offset');
    const point = new RestartPoint(stored, 900);
    point.begin(700, 600);
    expect(point.isNew(450)).toBe(true);
  });
});
