import { expect, test } from 'vitest';
import { Watchdog } from './watchdog.ts';

interface Observed {
  readonly dog: Watchdog;
  readonly asked: () => number;
  readonly dead: () => readonly number[];
  reading: boolean;
}

function observed(limitMs: number): Observed {
  let asked = 0;
  const dead: number[] = [];
  const state: Observed = {
    dog: new Watchdog({
      limitMs,
      reading: () => state.reading,
      ask: () => asked++,
      dead: (silentMs) => dead.push(silentMs),
    }),
    asked: () => asked,
    dead: () => dead,
    reading: true,
  };
  return state;
}

test('INV-7: a silent server is asked for a sign of life, and given up when none comes', () => {
  const { dog, asked, dead } = observed(12_000);
  dog.look(); // what came before the first look
  expect(dog.isWaiting).toBe(false);
  for (let i = 0; i < 3; i++) dog.look();
  expect(dog.isWaiting).toBe(true);
  expect(asked()).toBe(3);
  expect(dead()).toEqual([]);
  dog.look();
  expect(dead()).toEqual([12_000]);
  expect(dog.isWaiting).toBe(false);
});

test('a server that answers, however late within the limit, is not given up', () => {
  const { dog, dead } = observed(12_000);
  for (let i = 0; i < 50; i++) {
    dog.look();
    if (i % 3 === 2) dog.heard();
  }
  expect(dead()).toEqual([]);
});

test('silence does not count while nothing is read', () => {
  const state = observed(12_000);
  const { dog, asked, dead } = state;
  dog.look();
  dog.look();
  state.reading = false;
  for (let i = 0; i < 50; i++) dog.look();
  expect(dog.isWaiting).toBe(false);
  state.reading = true;
  for (let i = 0; i < 3; i++) dog.look();
  expect(dead()).toEqual([]);
  expect(asked()).toBe(4);
});
