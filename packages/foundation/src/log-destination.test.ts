import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { toStream } from './log-destination.ts';

const LINE = `${'x'.repeat(999)}\n`;

/** A stream that takes nothing until it is read. */
class Pipe extends Writable {
  text = '';
  #taken: (() => void) | undefined;
  #isRead = false;

  override _write(chunk: Buffer, _encoding: string, taken: () => void): void {
    this.text += chunk.toString();
    if (this.#isRead) taken();
    else this.#taken = taken;
  }

  read(): void {
    this.#isRead = true;
    this.#taken?.();
  }
}

test('INV-5: a log that nobody reads takes memory up to a bound, and says afterwards how much was dropped', async () => {
  const pipe = new Pipe();
  const log = toStream(pipe);
  for (let i = 0; i < 5000; i++) log.write(LINE);
  expect(pipe.writableLength).toBeLessThan(1_100_000);
  pipe.read();
  await new Promise((resolve) => pipe.write('', resolve));
  log.write('after\n');
  const lines = pipe.text.split('\n');
  const kept = lines.filter((line) => line.startsWith('x')).length;
  expect(JSON.parse(lines.at(-3) ?? '')).toMatchObject({
    level: 40,
    logger: 'millrace',
    msg: `${5000 - kept} lines of the log were dropped, since nobody read what was written`,
  });
  expect(lines.slice(-2)).toEqual(['after', '']);
});

test('a log whose reader is gone is written to no more', () => {
  const written: string[] = [];
  const stream = new Writable({
    autoDestroy: false,
    write: (chunk: Buffer, _encoding, done) => {
      written.push(chunk.toString());
      done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    },
  });
  const log = toStream(stream);
  stream.emit('error', Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
  log.write('more\n');
  expect(written).toEqual([]);
});
