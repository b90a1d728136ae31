import { silentLogger, systemClock } from '@millrace/foundation';
import { eventually } from '@millrace/testkit';
import { beforeEach, expect, it } from 'vitest';
import { encodeStatusRecord, type StatusValue } from './status-records.ts';
import { StatusStore } from './status-store.ts';

let written: string[];
let mayWrite: boolean;
/** Whether nobody answers what is written. */
let stuck: boolean;
/** Reads a record of task 0 of connector c, as the topic brings it. */
let read: (value: StatusValue) => void;
beforeEach(() => {
  written = [];
  mayWrite = true;
  stuck = false;
});

async function makeStore(): Promise<StatusStore> {
  const store = new StatusStore({
    topic: 'status',
    partitions: 1,
    replicationFactor: 1,
    openLog: (_topic, { onRecord }) => {
      read = (value) => {
        const text = encodeStatusRecord(record(value));
        const bytes = { key: Buffer.from(text.key), value: Buffer.from(text.value ?? '') };
        onRecord({ partition: 0, offset: 0, timestamp: 0, ...bytes });
      };
      return Promise.resolve({
        append: (_key, value) => {
          written.push((JSON.parse(String(value)) as { state: string }).state);
          return stuck ? new Promise<void>(() => undefined) : Promise.resolve();
        },
        appendTogether: () => Promise.resolve(),
        readToEnd: () => Promise.resolve(),
        close: () => Promise.resolve(),
      });
    },
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

it('says again what runs here when the network brings late what a worker said that had run it before', async () => {
  const store = await makeStore();
  store.put(record(said('here', 5, 'RUNNING')));
  await store.flush();
  read(said('before', 4, 'FAILED'));
  await store.flush();
  expect(store.task('c', 0)?.workerId).toBe('here');
  expect(written).toEqual(['RUNNING', 'RUNNING']);
  read(said('after', 6, 'RUNNING'));
  expect(store.task('c', 0)?.workerId).toBe('after');
  expect(written.length).toBe(2);
});

it('believes whatever it reads of what does not run here, also once it has lost its place', async () => {
  const store = await makeStore();
  store.put(record(said('here', 5, 'UNASSIGNED')));
  await store.flush();
  read(said('other', 4, 'RUNNING'));
  expect(store.task('c', 0)?.workerId).toBe('other');
  store.put(record(said('here', 6, 'RUNNING')));
  await store.flush();
  store.cutOff();
  read(said('other', 2, 'RUNNING'));
  expect(store.task('c', 0)?.workerId).toBe('other');
});

it('hears of others while what it said before it lost its place is still on its way', async () => {
  const store = await makeStore();
  stuck = true;
  store.put(record(said('here', 5, 'RUNNING')));
  await eventually('it is on its way', () => written.length > 0);
  store.cutOff();
  store.resume();
  read(said('other', 6, 'RUNNING'));
  expect(store.task('c', 0)?.workerId).toBe('other');
});

it('ends although what it has said last does not get through, once the worker has lost its place', async () => {
  const store = await makeStore();
  stuck = true;
  store.put(record(said('here', 5, 'RUNNING')));
  await eventually('it is on its way', () => written.length > 0);
  store.cutOff();
  await store.close();
  expect(written).toEqual(['RUNNING']);
});
