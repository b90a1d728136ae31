// Signals from a file: one JSON object a line. What was read is removed, by emptying the file, as Debezium does.
import { type FileHandle, open } from 'node:fs/promises';
import { type Clock, messageOf } from '@millrace/foundation';
import { parseSignalText, type Signal, type SignalSource } from './signals.ts';

export interface FileSignalsOptions extends SignalSource {
  readonly file: string;
  readonly intervalMs: number;
  readonly clock: Clock;
  /** Signals come one after the other, each when the one before is dealt with. */
  readonly onSignal: (signal: Signal) => Promise<void>;
}

/** Nobody writes so many signals. */
const MAX_BYTES = 4 * 1024 * 1024;

export class FileSignals {
  readonly #options: FileSignalsOptions;
  readonly #stopping = new AbortController();
  #complained = false;

  constructor(options: FileSignalsOptions) {
    this.#options = options;
  }

  /** Looks into the file until `stop`. Rejects with what `onSignal` rejects with. */
  async follow(): Promise<void> {
    const { clock, intervalMs, onSignal } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      for (const one of await this.#take()) {
        if (signal.aborted) return;
        await onSignal(one);
      }
      await clock.sleep(intervalMs, signal);
    }
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** The signals in the file, which is empty afterwards. A file that cannot be read is tried again. */
  async #take(): Promise<Signal[]> {
    const { file, logger } = this.#options;
    let handle: FileHandle | undefined;
    try {
      handle = await open(file, 'r+');
      const text = await readAndEmpty(handle);
      this.#complained = false;
      return text
        .split(/\r?\n/)
        .filter((line) => line.trim() !== '')
        .flatMap((line) => parseSignalText(line, this.#options) ?? []);
    } catch (error) {
      const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      if (!missing && !this.#complained) {
        this.#complained = true;
        logger.error({ err: error, file }, `the signals in the file cannot be read: ${messageOf(error)}`);
      }
      return [];
    } finally {
      await handle?.close().catch(() => undefined);
    }
  }
}

/** Empties the file only when nothing was added to it since it was read. */
async function readAndEmpty(handle: FileHandle): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    const { size } = await handle.stat();
    if (size > MAX_BYTES) throw new Error(`it has ${size} bytes; at most ${MAX_BYTES} are read`);
    if (size <= bytes) break;
    const part = Buffer.alloc(size - bytes);
    const { bytesRead } = await handle.read(part, 0, part.length, bytes);
    if (bytesRead === 0) break;
    parts.push(part.subarray(0, bytesRead));
    bytes += bytesRead;
  }
  if (bytes > 0) await handle.truncate(0);
  return Buffer.concat(parts).toString('utf8');
}
