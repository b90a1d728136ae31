// What a standalone worker has in place of internal topics: logs in memory for configs and states, which end with the
// worker, and a file for the offsets of sources.
import { mkdir, open, readFile, realpath, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import type { TopicLog, TopicLogOptions, TopicLogRecord } from '@millrace/connect-api';
import { type Clock, findCoded, messageOf } from '@millrace/foundation';
import { connectError } from '../errors.ts';
import type { LogOpener } from '../topic-log.ts';
import { decodeOffsetFile, encodeOffsetFile } from './java-offsets.ts';

/** Logs that hand on at once what is appended, and keep nothing. */
export function memoryLogs(clock: Clock): LogOpener {
  return (_topic, options) => Promise.resolve(new MemoryLog(options, clock));
}

class MemoryLog implements TopicLog {
  readonly #options: TopicLogOptions;
  readonly #clock: Clock;
  #next = 0;

  constructor(options: TopicLogOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }
  append(key: Buffer | null, value: Buffer | null): Promise<void> {
    return this.appendTogether([{ key, value }]);
  }
  appendTogether(records: readonly Pick<TopicLogRecord, 'key' | 'value'>[]): Promise<void> {
    const timestamp = this.#clock.nowMs();
    for (const { key, value } of records) {
      this.#options.onRecord({ partition: 0, offset: this.#next++, timestamp, key, value });
    }
    return Promise.resolve();
  }
  readToEnd(): Promise<void> {
    return Promise.resolve();
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A log whose last value of each key is kept in an offset file of Connect, `offset.storage.file.filename`. */
export function offsetFileLog(file: string, clock: Clock): LogOpener {
  return async (_topic, options) => {
    const log = new OffsetFileLog(file, options, clock);
    await log.load();
    return log;
  };
}

class OffsetFileLog implements TopicLog {
  readonly #file: string;
  readonly #memory: MemoryLog;
  /** Values by the text of their key. */
  readonly #values = new Map<string, { readonly key: Buffer; readonly value: Buffer }>();
  #saving: Promise<void> = Promise.resolve();
  /** The next save, which has not begun: whoever appends until then is part of it. */
  #next: Promise<void> | undefined;

  constructor(file: string, options: TopicLogOptions, clock: Clock) {
    this.#file = path.resolve(file);
    this.#memory = new MemoryLog(options, clock);
  }

  async load(): Promise<void> {
    let bytes: Buffer;
    try {
      bytes = await readFile(this.#file);
    } catch (error) {
      if ((error as { code?: string }).code === 'ENOENT') return;
      throw this.#failure('cannot be read', error);
    }
    try {
      for (const [key, value] of decodeOffsetFile(bytes)) {
        if (value === null) continue;
        this.#values.set(key.toString('latin1'), { key, value });
        await this.#memory.append(key, value);
      }
    } catch (error) {
      // INV-3: to go on without the offsets would be to begin again from nothing.
      throw this.#failure('cannot be used', findCoded(error) ?? error);
    }
  }

  append(key: Buffer | null, value: Buffer | null): Promise<void> {
    return this.appendTogether([{ key, value }]);
  }

  async appendTogether(records: readonly Pick<TopicLogRecord, 'key' | 'value'>[]): Promise<void> {
    for (const { key, value } of records) {
      if (key === null) continue;
      if (value === null) this.#values.delete(key.toString('latin1'));
      else this.#values.set(key.toString('latin1'), { key, value });
    }
    // INV-1: whoever waits for this tells the source next.
    await this.#saved();
    await this.#memory.appendTogether(records);
  }

  #saved(): Promise<void> {
    this.#next ??= this.#saving.then(() => {
      this.#next = undefined;
      const saving = this.#save();
      this.#saving = saving.catch(() => undefined);
      return saving;
    });
    return this.#next;
  }

  /** Writes beside the file and renames, so that a crash leaves the old or the new one. */
  async #save(): Promise<void> {
    try {
      const target = await realpath(this.#file).catch(() => this.#file);
      const folder = path.dirname(target);
      await mkdir(folder, { recursive: true });
      const mode = await stat(target).then(
        (known) => known.mode & 0o777,
        () => 0o600,
      );
      const bytes = encodeOffsetFile([...this.#values.values()].map(({ key, value }) => [key, value]));
      const beside = `${target}.new`;
      const handle = await open(beside, 'w', mode);
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(beside, target);
      const directory = await open(folder, 'r');
      try {
        await directory.sync();
      } finally {
        await directory.close();
      }
    } catch (error) {
      throw this.#failure('cannot be written', error);
    }
  }

  #failure(what: string, cause: unknown): Error {
    return connectError('connect.offset_file', `The offset file ${this.#file} ${what}: ${messageOf(cause)}`, {
      configKey: 'offset.storage.file.filename',
      cause,
    });
  }

  readToEnd(): Promise<void> {
    return Promise.resolve();
  }
  async close(): Promise<void> {
    await this.#saving;
  }
}
