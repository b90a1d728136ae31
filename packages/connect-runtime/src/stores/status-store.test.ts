import { silentLogger, systemClock } from '@millrace/foundation';
import { eventually } from '@millrace/testkit';
import { beforeEach, expect, it } from 'vitest';
import type { StatusValue } from './status-records.ts';
import { StatusStore } from './status-store.ts';

let written: string[];
let mayWrite: boolean;
beforeEach(() => {
  written = [];
  mayWrite = true;
});

async function makeStore(): Promise<StatusStore> {
  const store = new StatusStore({
    topic: 'status',
    partitions: 1,
    replicationFactor: 1,
    openLog: () =>
      Promise.resolve({
        append: (_key, value) => {
          written.push((JSON.parse(String(value)) as { state: string }).state);
          return Promise.resolve();
        },
        appendTogether: () => Promise.resolve(),
        readToEnd: () => Promise.resolve(),
        close: () => Promise.resolve(),
      }),
    logger: silentLogger,
    clock: systemClock,
    mayWrite: () => mayWrite,
    onError: (error) => {
      throw error;
    },
  });
  await store.start();
  return store;
}
const said = (workerId: string, generation: number, state: StatusValue['state']): StatusValue => ({
  state,
  trace: null,
  workerId,
  generation,
  version: null,
});
const record = (value: StatusValue) => ({ kind: 'task', connector: 'c', task: 0, value }) as const;

it('a worker that was left behind does not speak over its successor', async () => {
  const store = await makeStore();
  store.put(record(said('new', 5, 'RUNNING')));
  store.put(record(said('old', 4, 'UNASSIGNED')), { yields: true });
  expect(store.task('c', 0)?.state).toBe('RUNNING');
  store.put(record(said('new', 4, 'UNASSIGNED')), { yields: true });
  expect(store.task('c', 0)?.state).toBe('UNASSIGNED');
  store.put(record(said('old', 5, 'FAILED')), { yields: true });
  expect(store.task('c', 0)?.state).toBe('FAILED');
});

it('a task that starts is shown whatever was said before: generations begin anew with a group', async () => {
  const store = await makeStore();
  store.put(record(said('old', 50, 'RUNNING')));
  store.put(record(said('new', 1, 'RUNNING')));
  expect(store.task('c', 0)?.workerId).toBe('new');
});

it('what a worker says while the group does not count on it waits, and is for itself once it is cut off', async () => {
  const store = await makeStore();
  mayWrite = false;
  store.put(record(said('w', 1, 'RUNNING')));
  mayWrite = true;
  await eventually('it is written', () => written.length === 1);
  mayWrite = false;
  store.put(record(said('w', 1, 'FAILED')));
  store.cutOff();
  store.put(record(said('w', 1, 'UNASSIGNED')));
  await store.flush();
  expect([written, store.task('c', 0)?.state]).toEqual([['RUNNING'], 'UNASSIGNED']);
  mayWrite = true;
  store.resume();
  store.put(record(said('w', 3, 'PAUSED')));
  await store.flush();
  expect(written).toEqual(['RUNNING', 'PAUSED']);
});
