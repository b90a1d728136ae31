// Appends the values of records to a text file, one a line, as Connect's FileStreamSink prints them.
import { type FileHandle, open } from 'node:fs/promises';
import type { PartitionPosition, SinkRecord, SinkTask, SinkTaskContext } from '@millrace/connect-api';
import { messageOf } from '@millrace/foundation';
import { FILE, sinkConfig } from './config.ts';
import { fileError } from './errors.ts';
import { javaText } from './java-text.ts';

export class FileStreamSinkTask implements SinkTask {
  #path: string | undefined;
  #file: FileHandle | undefined;
  /** Whether something was written since the last sync. */
  #unsynced = false;

  async start(context: SinkTaskContext): Promise<void> {
    const { config } = sinkConfig.parseOrThrow(context.config, () => true);
    this.#path = config.optionalString(FILE);
    if (this.#path === undefined) return;
    try {
      this.#file = await open(this.#path, 'a');
    } catch (error) {
      throw fileError(
        'file.write_failed',
        `Couldn't find or create file '${this.#path}' for FileStreamSinkTask`,
        {
          cause: error,
        },
      );
    }
  }

  open(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    if (records.length === 0) return;
    const text = records.map((record) => `${javaText(record.value, record.valueSchema)}\n`).join('');
    if (!this.#file) {
      process.stdout.write(text);
      return;
    }
    try {
      this.#unsynced = true;
      await this.#file.appendFile(text);
    } catch (error) {
      throw fileError('file.write_failed', `Cannot write to ${this.#path}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  async preCommit(delivered: readonly PartitionPosition[]): Promise<readonly PartitionPosition[]> {
    // INV-1: offsets may pass these records once they are on disk.
    if (this.#unsynced) await this.#file?.datasync();
    this.#unsynced = false;
    return delivered;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }
}
