import { describe, expect, it } from 'vitest';
import {
  type Lineage,
  lineageBreak,
  lineageMap,
  lineagePartition,
  parseLineage,
  parseTimelineHistory,
  sameLineage,
} from './lineage.ts';

const was: Lineage = {
  systemId: '7440000000000000001',
  timeline: 2,
  database: 'shop',
  databaseOid: 16384,
  slot: 's',
  slotRestart: 0x1000,
};
const HISTORY = '1\t0/500\tno recovery target specified\n\n2\t0/2000\tno recovery target specified\n';

describe('a stored lineage', () => {
  it('is read as it was written, with its digits, under a partition of its own', () => {
    expect(lineageMap(was)).toEqual({
      system_id: '7440000000000000001',
      timeline: 2,
      database: 'shop',
      database_oid: 16384,
      slot: 's',
      slot_restart_lsn: '0/1000',
    });
    expect(parseLineage(lineageMap(was))).toEqual(was);
    expect(sameLineage(parseLineage(lineageMap(was)), was)).toBe(true);
    expect(sameLineage(was, { ...was, slotRestart: 0x1001 })).toBe(false);
    expect(sameLineage(undefined, was)).toBe(false);
    expect(JSON.stringify(lineagePartition({ server: 'p' }))).toBe('{"server":"p","millrace":"lineage"}');
  });

  it.each([
    null,
    {},
    { system_id: 1 },
    { ...lineageMap(was), timeline: '2' },
    { ...lineageMap(was), slot: null },
  ])('is none when it is %j', (map) => expect(parseLineage(map)).toBeUndefined());
});

describe('the history of a timeline', () => {
  it('says where each timeline was left', () => {
    expect(parseTimelineHistory(HISTORY)).toEqual([
      { timeline: 1, at: 0x500 },
      { timeline: 2, at: 0x2000 },
    ]);
    expect(parseTimelineHistory('# a comment\nnonsense\n')).toEqual([]);
  });
});

describe('a stored position (INV-3)', () => {
  const at = (now: Partial<Lineage>, position = 0x1800, old: Lineage | undefined = was): string | undefined =>
    lineageBreak(old, { ...was, ...now }, parseTimelineHistory(HISTORY), position);

  it('keeps its meaning on the same line, with a slot that stands where it stood or further', () => {
    expect(at({})).toBeUndefined();
    expect(at({ slotRestart: 0x1700 })).toBeUndefined();
    expect(at({ slotRestart: undefined })).toBeUndefined();
  });

  it('is taken as it is when no lineage was stored', () => {
    expect(lineageBreak(undefined, was, [], 1)).toBeUndefined();
  });

  it('loses it on another server, and in another database', () => {
    expect(at({ systemId: '2' })).toMatch(/system identifier 7440000000000000001, and this is 2/);
    expect(at({ databaseOid: 5 })).toMatch(/database shop \(oid 16384\), and this is shop \(oid 5\)/);
    expect(at({ database: 'renamed' })).toBeUndefined();
  });

  it('keeps it on a new primary up to where that took over, and not beyond', () => {
    expect(at({ timeline: 3 }, 0x2000)).toBeUndefined();
    expect(at({ timeline: 3, slotRestart: 0x900 }, 0x1800)).toBeUndefined();
    expect(at({ timeline: 3 }, 0x2001)).toMatch(/timeline 3 of the server left timeline 2 at 0\/2000/);
  });

  it('loses it on a timeline that does not come from its own', () => {
    expect(lineageBreak(was, { ...was, timeline: 1 }, [], 0x100)).toMatch(
      /from which the server's timeline 1 does not come/,
    );
    expect(at({ timeline: 4 }, 0x100, { ...was, timeline: 3 })).toMatch(/does not come/);
  });

  it('loses it with a slot that stands further back than it ever did since', () => {
    expect(at({ slotRestart: 0xfff })).toMatch(/stands at 0\/FFF and stood at 0\/1000/);
    expect(at({ slotRestart: 0xfff, slot: 'other' })).toBeUndefined();
  });
});
