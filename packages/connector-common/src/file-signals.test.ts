import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Clock, silentLogger, systemClock } from '@millrace/foundation';
import { expect, test } from 'vitest';
import { FileSignals } from './file-signals.ts';
import type { Signal } from './signals.ts';

test('takes each line of the file once and empties it; what is no signal is left out', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'millrace-signals-'));
  const file = path.join(folder, 'signals.txt');
  const seen: Signal[] = [];
  let looks = 0;
  const clock: Clock = {
    ...systemClock,
    sleep: () => {
      looks++;
      // No file, two signals, one more, and the end.
      if (looks === 1) {
        writeFileSync(
          file,
          '{"id": 7, "type": "log", "data": {"message": "a"}}\n\nnot json\n{"id":"x"}\n{"type":"log","data":{"message":"b"}}',
        );
      } else if (looks === 2) {
        expect(readFileSync(file, 'utf8')).toBe('');
        appendFileSync(file, '{"id":"z","type":"pause-snapshot"}\r\n');
      } else signals.stop();
      return Promise.resolve();
    },
  };
  const signals = new FileSignals({
    file,
    intervalMs: 5000,
    clock,
    logger: silentLogger,
    randomId: () => 'random',
    onSignal: (signal) => {
      seen.push(signal);
      return Promise.resolve();
    },
  });
  await signals.follow();
  expect(seen).toEqual([
    { id: '7', type: 'log', data: { message: 'a' } },
    { id: 'random', type: 'log', data: { message: 'b' } },
    { id: 'z', type: 'pause-snapshot', data: {} },
  ]);
  expect(readFileSync(file, 'utf8')).toBe('');
  rmSync(folder, { recursive: true });
});
