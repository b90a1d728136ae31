import { expect, test } from 'vitest';
import { restartRules } from './restart-rules.ts';

const WORKER = { enabled: true, backoffMs: 1000, maxBackoffMs: 60_000 };

test("the worker's settings count where the connector says nothing", () => {
  expect(restartRules(WORKER, {})).toEqual({ ...WORKER, maxRetries: Number.POSITIVE_INFINITY });
  expect(restartRules(WORKER, { 'errors.max.retries': '-1' }).maxRetries).toBe(Number.POSITIVE_INFINITY);
});

test('a connector limits its retries and sets its wait by the keys of Debezium', () => {
  const config = { 'errors.max.retries': '3', 'retriable.restart.connector.wait.ms': '250' };
  expect(restartRules(WORKER, config)).toEqual({
    enabled: true,
    backoffMs: 250,
    maxBackoffMs: 250,
    maxRetries: 3,
  });
  const growing = { 'errors.retry.delay.initial.ms': '300', 'errors.retry.delay.max.ms': '10000' };
  expect(restartRules(WORKER, growing)).toMatchObject({ backoffMs: 300, maxBackoffMs: 10_000 });
  expect(restartRules(WORKER, { 'errors.max.retries': '0' }).maxRetries).toBe(0);
});
