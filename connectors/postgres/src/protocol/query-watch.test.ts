import { afterEach, expect, test } from 'vitest';
import { QueryWatch, type SessionState } from './query-watch.ts';

const LIMIT_MS = 12_000;
const dead: string[] = [];
let watch: QueryWatch | undefined;
let answers: SessionState[];
let asked = 0;
let bytes = 0;
let waiting = true;

function watched(...says: SessionState[]): QueryWatch {
  [answers, asked, bytes, waiting] = [says, 0, 0, true];
  watch = new QueryWatch({
    limitMs: LIMIT_MS,
    waiting: () => waiting,
    bytesRead: () => bytes,
    ask: async () => answers[Math.min(asked++, answers.length - 1)] ?? 'busy',
    dead: (reason) => dead.push(reason),
  });
  return watch;
}

afterEach(() => {
  watch?.stop();
  dead.length = 0;
});

async function look(times: number): Promise<void> {
  for (let i = 0; i < times; i++) await watch?.look();
}

test.each([
  {
    state: 'done',
    borne: 2,
    asks: 1,
    said: 'No answer to a query for 9 s, and the server is done with it, so that its answer must have been lost',
  },
  {
    state: 'gone',
    borne: 2,
    asks: 1,
    said: 'No answer to a query for 9 s, and the server has ended the session',
  },
  {
    state: 'unreached',
    borne: 3,
    asks: 2,
    said: 'No answer to a query for 12 s, and the server does not answer another connection either',
  },
] as const)(
  'INV-7: a query is given up at the look that makes it certain: $state',
  async ({ state, borne, asks, said }) => {
    watched(state);
    await look(borne);
    expect(asked).toBe(asks);
    expect(dead).toEqual([]);
    await look(1);
    expect(dead).toEqual([said]);
  },
);

test('a server that works is waited for, and asked less and less often', async () => {
  watched('busy');
  await look(1200);
  expect(dead).toEqual([]);
  expect(asked).toBeGreaterThan(3600 / 60 - 5);
  expect(asked).toBeLessThan(3600 / 60 + 10);
});

test('an answer that was on its way counts as life', async () => {
  watched('done');
  for (let i = 0; i < 20; i++) {
    await look(2);
    bytes++;
    await look(1);
  }
  expect(asked).toBe(20);
  expect(dead).toEqual([]);
});

test('a network that comes back within the limit ends nothing, however long the server has worked before', async () => {
  watched('busy');
  await look(100);
  answers = ['unreached', 'unreached', 'busy'];
  asked = 0;
  await look(40);
  expect(asked).toBeGreaterThan(2);
  expect(dead).toEqual([]);
});

test('a session that waits for nothing, or does not read, is not asked about', async () => {
  watched('gone');
  waiting = false;
  await look(50);
  expect(asked).toBe(0);
  waiting = true;
  await look(1);
  expect(asked).toBe(0);
});
