import { expect, test } from 'vitest';
import { defineErrorCodes, findCoded, javaTrace, MillraceError, policyOf, remedyOf } from './errors.ts';

defineErrorCodes({
  'test.retry': { policy: 'retry', remedy: 'Wait.' },
  'test.outer': { policy: 'fatal', remedy: 'Read on.' },
});

test('wrapping keeps the policy and remedy of the inner code', () => {
  const inner = new MillraceError('test.retry', 'the server is away');
  const outer = new MillraceError('test.outer', 'the task failed', {
    cause: new Error('between', { cause: inner }),
  });
  expect([findCoded(outer)?.code, policyOf(outer), remedyOf(outer)]).toEqual([
    'test.retry',
    'retry',
    'Wait.',
  ]);
});

test('an error without a code is fatal, and a cycle of causes ends', () => {
  const loop = new Error('loop');
  loop.cause = loop;
  expect([policyOf(loop), policyOf('text'), remedyOf(undefined)]).toEqual(['fatal', 'fatal', undefined]);
});

test('a trace shows Java classes, causes and what to do', () => {
  const error = new MillraceError('test.outer', 'outer', {
    cause: new MillraceError('test.retry', 'inner', { javaClass: 'java.io.IOException' }),
  });
  const lines = javaTrace(error)
    .split('\n')
    .filter((line) => !line.startsWith('\t'));
  expect(lines).toEqual([
    'org.apache.kafka.connect.errors.ConnectException: outer',
    'Caused by: java.io.IOException: inner',
    'What to do: Wait.',
    '',
  ]);
});
