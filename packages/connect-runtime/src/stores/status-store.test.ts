import { silentLogger } from '@millrace/foundation';
import { expect, it } from 'vitest';
import type { StatusValue } from './status-records.ts';
import { StatusStore } from './status-store.ts';

async function makeStore(): Promise<StatusStore> {
  const store = new StatusStore({
    topic: 'status',
    partitions: 1,
    replicationFactor: 1,
    openLog: () =>
      Promise.resolve({
        append: () => Promise.resolve(),
        readToEnd: () => Promise.resolve(),
        close: () => Promise.resolve(),
      }),
    logger: silentLogger,
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
