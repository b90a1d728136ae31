import { expect, test } from 'vitest';
import { parseHosts } from './connection.ts';

test('several hosts stand with commas between, each with a port of its own or the common one', () => {
  expect(parseHosts('db', 5432)).toEqual([{ host: 'db', port: 5432 }]);
  expect(parseHosts(' a , b:5433,[::1]:5434,[fe80::1],::1,10.0.0.1:6000,', 5432)).toEqual([
    { host: 'a', port: 5432 },
    { host: 'b', port: 5433 },
    { host: '::1', port: 5434 },
    { host: 'fe80::1', port: 5432 },
    { host: '::1', port: 5432 },
    { host: '10.0.0.1', port: 6000 },
  ]);
});
