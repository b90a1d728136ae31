// Writes each record to a file that is named after its place in Kafka. A record that comes again writes the same file
// again, so repeats after a crash change nothing.
import { open, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import type { PartitionPosition, SinkRecord, SinkTask, SinkTaskContext } from '@millrace/connect-api';
import { configDef } from './config.ts';
import { folderError } from './errors.ts';

export class FolderSinkTask implements SinkTask {
  #folder = '';

  async start(context: SinkTaskContext): Promise<void> {
    this.#folder = configDef.parseOrThrow(context.config).config.string('folder');
    const found = await stat(this.#folder).catch(() => undefined);
    if (!found?.isDirectory()) {
      throw folderError('folder-sink.unwritable', `${this.#folder} is no folder`, { configKey: 'folder' });
    }
  }

  /** Nothing is kept beside the group's offsets, so each partition starts where they say. */
  async open(): Promise<undefined> {
    return undefined;
  }

  /** An error with policy `retry` makes the worker call again with the same records. */
  async put(records: readonly SinkRecord[]): Promise<void> {
    for (const record of records) await this.#write(record);
  }

  /** What `put` has written is on the disk, so all of it may be committed. */
  async preCommit(delivered: readonly PartitionPosition[]): Promise<readonly PartitionPosition[]> {
    return delivered;
  }

  async close(): Promise<void> {}

  async stop(): Promise<void> {}

  async #write(record: SinkRecord): Promise<void> {
    const { topic, partition, offset } = record.original;
    if (typeof record.value !== 'string') {
      throw folderError('folder-sink.no_text', `The value at ${topic}-${partition}@${offset} is no text`);
    }
    const name = `${topic}-${partition}-${String(offset).padStart(15, '0')}.txt`;
    const unfinished = path.join(this.#folder, `.${name}`);
    try {
      await using file = await open(unfinished, 'w');
      await file.writeFile(record.value);
      // Answered for only when a loss of power cannot take it back.
      await file.datasync();
      await rename(unfinished, path.join(this.#folder, name));
    } catch (cause) {
      throw folderError('folder-sink.unwritable', `${name} cannot be written`, { cause });
    }
  }
}
