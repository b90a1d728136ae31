import { type Clock, systemClock } from '@millrace/foundation';
import { expect, test } from 'vitest';
import { RebalanceMeter } from '../metrics/worker-meters.ts';
import { StateTimes } from './state-times.ts';

class SetClock implements Clock {
  now = 1000;
  nowMs = (): number => this.now;
  nowNs = (): bigint => BigInt(this.now) * 1_000_000n;
  monotonicMs = (): number => this.now;
  sleep = (ms: number): Promise<void> => systemClock.sleep(ms);
  sleepRoughly = this.sleep;
}

test('the shares of a task are those of its time since the start', () => {
  const clock = new SetClock();
  const times = new StateTimes(clock);
  expect([times.state, times.ratio('running')]).toEqual(['unassigned', 0]);
  clock.now += 100;
  times.change('running');
  clock.now += 200;
  times.change('paused');
  clock.now += 100;
  expect([times.ratio('running'), times.ratio('paused'), times.ratio('failed')]).toEqual([0.5, 0.25, 0]);
  times.change('running');
  clock.now += 100;
  times.change('running');
  clock.now += 100;
  expect([times.ratio('running'), times.ratio('paused')]).toEqual([400 / 600, 100 / 600]);
  times.change('failed');
  clock.now += 200;
  expect([times.state, times.ratio('failed')]).toEqual(['failed', 0.25]);
});

test('a rebalance lasts from the first join request to the end of what moved away', () => {
  const clock = new SetClock();
  const meter = new RebalanceMeter(clock);
  expect(meter.values(clock.now)).toMatchObject({
    rebalancing: 0,
    'time-since-last-rebalance-ms': Number.NaN,
  });
  meter.begin();
  clock.now += 40;
  meter.begin(); // asked for a member id first
  expect(meter.values(clock.now).rebalancing).toBe(1);
  clock.now += 60;
  meter.end();
  meter.end();
  clock.now += 7;
  expect(meter.values(clock.now)).toEqual({
    'completed-rebalances-total': 1,
    rebalancing: 0,
    'rebalance-max-time-ms': 100,
    'rebalance-avg-time-ms': 100,
    'time-since-last-rebalance-ms': 7,
  });
});
