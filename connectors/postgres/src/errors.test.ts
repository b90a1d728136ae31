import { policyOf } from '@millrace/foundation';
import pg from 'pg';
import { expect, test } from 'vitest';
import { toPostgresError } from './errors.ts';

test.each([
  'Connection terminated unexpectedly',
  'Client was closed and is not queryable',
  'Client has encountered a connection error and is not queryable',
  'timeout expired',
])('INV-7: a connection that broke is opened again, however the driver puts it: %s', (message) => {
  const error = toPostgresError(new Error(message), 'Cannot identify the server');
  expect([error.code, policyOf(error)]).toEqual(['postgres.connection_lost', 'retry']);
  expect(error.message).toBe(`Cannot identify the server: ${message}`);
});

test('What the server refuses is told by its SQLSTATE', () => {
  const refused = (code: string): Error =>
    Object.assign(new pg.DatabaseError('no', 0, 'error'), { code, severity: 'ERROR' });
  expect(toPostgresError(refused('42501'), 'x').code).toBe('postgres.access_denied');
  expect(toPostgresError(refused('57P01'), 'x').code).toBe('postgres.connection_lost');
  expect(toPostgresError(refused('42703'), 'x').code).toBe('postgres.query_failed');
});
