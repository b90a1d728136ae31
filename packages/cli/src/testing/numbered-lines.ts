// A file that grows by numbered lines, followed by a file source, and what its topic says about who followed it: numbers
// go up by one, and where a task began again they go back once.
import { appendFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { eventually } from '@millrace/testkit';
import { readTopic } from './topic-reader.ts';

export const TEXT: Readonly<Record<string, string>> = {
  'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
  'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
};

export function fileSource(file: string, topic: string): Record<string, string> {
  return { ...TEXT, 'connector.class': 'FileStreamSource', file, topic };
}

/** Appends lines to a file, some every few milliseconds, until disposed. */
export class Lines implements Disposable {
  readonly file: string;
  /** Lines so far. */
  count = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(folder: string, name: string, perTurn = 20) {
    this.file = path.join(folder, name);
    writeFileSync(this.file, '');
    this.#timer = setInterval(() => {
      appendFileSync(this.file, Array.from({ length: perTurn }, () => `${this.count++}\n`).join(''));
    }, 5);
  }
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** How often the numbers of a topic go back. @throws where one is neither the next nor a step back */
export async function replays(
  kafka: string,
  topic: string,
): Promise<{ readonly last: number; readonly count: number }> {
  let before = -1;
  let last = -1;
  let count = 0;
  for (const { value } of await readTopic(kafka, topic)) {
    const number = Number(String(value));
    if (number > before + 1) throw new Error(`${topic}: ${number} comes after ${before}`);
    if (number <= before) count++;
    before = number;
    last = Math.max(last, number);
  }
  return { last, count };
}

/** Waits until the topic has all lines below `count`. */
export async function untilLine(kafka: string, topic: string, count: number): Promise<void> {
  const seen = async (): Promise<boolean> => (await replays(kafka, topic)).last >= count - 1;
  await eventually(`${topic} has ${count} lines`, seen, 90_000);
}

/**
 * Waits until the topic has each line below `count`, however often and in whatever order: where a network brings late
 * what it has held back, plain sources cannot promise more.
 */
export async function untilAllLines(kafka: string, topic: string, count: number): Promise<void> {
  const seen = async (): Promise<boolean> => {
    const numbers = new Set((await readTopic(kafka, topic)).map(({ value }) => Number(String(value))));
    return Array.from({ length: count }, (_, i) => i).every((number) => numbers.has(number));
  };
  await eventually(`${topic} has ${count} lines`, seen, 90_000);
}
