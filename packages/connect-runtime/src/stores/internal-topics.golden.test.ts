// Holds the codecs of the three internal topics against what a Connect 4.3.1 worker wrote.
import { readFileSync } from 'node:fs';
import { goldenPath } from '@millrace/testkit';
import { describe, expect, it } from 'vitest';
import { decodeConfigRecord, encodeConfigRecord } from './config-records.ts';
import { ConfigState } from './config-state.ts';
import { decodeOffsetRecord, offsetKey, offsetValue } from './offset-records.ts';
import { decodeStatusRecord, encodeStatusRecord } from './status-records.ts';

interface Line {
  readonly after: string;
  readonly topic: string;
  readonly key: string;
  readonly value: string | null;
}

const lines = readFileSync(goldenPath('connect-rest/internal-topics.jsonl'), 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Line);
const of = (topic: string): Line[] => lines.filter((line) => line.topic === topic);

describe('records of the internal topics', () => {
  it('are there to compare with', () => {
    expect(lines.length).toBe(93);
  });

  it.each(of('connect-configs').map((line) => [line.key, line] as const))(
    'config %s reads and writes as Connect has it',
    (_key, { key, value }) => {
      const record = decodeConfigRecord(key, value);
      if (!record) throw new Error(`not understood: ${key}`);
      expect(encodeConfigRecord(record)).toEqual({ key, value });
    },
  );

  it.each(of('connect-status').map((line) => [line.key, line] as const))(
    'status %s reads and writes as Connect has it',
    (_key, { key, value }) => {
      const record = decodeStatusRecord(key, value);
      if (!record) throw new Error(`not understood: ${key}`);
      expect(encodeStatusRecord(record)).toEqual({ key, value });
    },
  );

  it.each(of('connect-offsets').map((line) => [line.key, line] as const))(
    'offset %s reads and writes as Connect has it',
    (_key, { key, value }) => {
      const record = decodeOffsetRecord(Buffer.from(key), value === null ? null : Buffer.from(value));
      if (!record) throw new Error(`not understood: ${key}`);
      expect(offsetKey(record.connector, record.partition).toString()).toBe(key);
      expect(offsetValue(record.offset)?.toString() ?? null).toBe(value);
    },
  );

  it('give the state that Connect showed after each act', () => {
    const state = new ConfigState();
    const seen: string[] = [];
    for (const { key, value } of of('connect-configs')) {
      const record = decodeConfigRecord(key, value);
      const change = record && state.apply(record);
      if (change) seen.push(change.kind);
    }
    expect(state.connectors()).toEqual([]);
    expect(seen).toEqual([
      'connector',
      'tasks',
      'connector',
      'tasks',
      'target-state',
      'target-state',
      'restart',
      'tasks',
      'target-state',
      'removed',
      'connector',
      'target-state',
      'tasks',
      'removed',
      'connector',
      'tasks',
      'removed',
      'logger',
    ]);
  });
});
