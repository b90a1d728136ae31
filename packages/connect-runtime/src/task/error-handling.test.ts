import { type Clock, defineErrorCodes, MillraceError, silentLogger, systemClock } from '@millrace/foundation';
import { describe, expect, it } from 'vitest';
import { contextHeaders, ErrorHandler, errorSettings, type Failure } from './error-handling.ts';

defineErrorCodes({ 'test.passing': { policy: 'retry', remedy: 'Wait.' } });

/** A clock that moves only when somebody sleeps. */
function manualClock(): Clock & { readonly sleeps: number[] } {
  let now = 0;
  const sleeps: number[] = [];
  return {
    ...systemClock,
    sleeps,
    monotonicMs: () => now,
    sleep: (ms) => {
      sleeps.push(ms);
      now += ms;
      return Promise.resolve();
    },
  };
}

const passing: Failure = {
  stage: 'TRANSFORMATION',
  className: 'org.example.T',
  error: new MillraceError('test.passing', 'not now'),
  consumed: null,
};

describe('ErrorHandler', () => {
  it('retries what can pass, with doubling waits, until the time is over', async () => {
    const clock = manualClock();
    const handler = new ErrorHandler(errorSettings({ 'errors.retry.timeout': '2000' }), {
      clock,
      logger: silentLogger,
    });
    const result = await handler.retry(
      passing,
      () => {
        throw new MillraceError('test.passing', 'still not');
      },
      new AbortController().signal,
    );
    expect(result).toMatchObject({ ok: false, failure: { error: { message: 'still not' } } });
    expect(clock.sleeps).toEqual([300, 600, 1100]);
  });

  it('does not retry what cannot pass', async () => {
    const clock = manualClock();
    const handler = new ErrorHandler(errorSettings({ 'errors.retry.timeout': '-1' }), {
      clock,
      logger: silentLogger,
    });
    const failure = { ...passing, error: new Error('bad data') };
    const result = await handler.retry(failure, () => 1, new AbortController().signal);
    expect(result).toEqual({ ok: false, failure });
    expect(clock.sleeps).toEqual([]);
  });

  it('reports a record before it fails the task, as Connect does', async () => {
    const reported: Failure[] = [];
    const handler = new ErrorHandler(errorSettings({}), {
      clock: systemClock,
      logger: silentLogger,
      reporters: [
        (failure) => {
          reported.push(failure);
          return Promise.resolve();
        },
      ],
    });
    await expect(handler.giveUp(passing)).rejects.toMatchObject({ code: 'connect.tolerance_exceeded' });
    expect(reported).toEqual([passing]);
  });
});

describe('the context headers of a dead letter', () => {
  it('come in Connect’s order and name Java’s classes', () => {
    const error = new MillraceError('connect.data', 'no number', {
      javaClass: 'org.apache.kafka.connect.errors.DataException',
    });
    const consumed = {
      topic: 't',
      partition: 1,
      offset: 7,
      timestamp: 0,
      key: null,
      value: null,
      headers: [],
    };
    const headers = contextHeaders({ ...passing, error, consumed }, { connectorName: 'c', taskId: 2 });
    expect(
      headers.map(({ key, value }) => [key.replace('__connect.errors.', ''), String(value).split('\n')[0]]),
    ).toEqual([
      ['topic', 't'],
      ['partition', '1'],
      ['offset', '7'],
      ['connector.name', 'c'],
      ['task.id', '2'],
      ['stage', 'TRANSFORMATION'],
      ['class.name', 'org.example.T'],
      ['exception.class.name', 'org.apache.kafka.connect.errors.DataException'],
      ['exception.message', 'no number'],
      ['exception.stacktrace', 'org.apache.kafka.connect.errors.DataException: no number'],
    ]);
  });
});
