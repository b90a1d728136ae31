// Reads the folder. The position is the name of the last file: after a crash the task goes on behind the last one
// whose record is durable, so nothing is lost and a few records may come again.
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  type SourceBatch,
  type SourcePartition,
  SourceRecord,
  type SourceTask,
  type SourceTaskContext,
} from '@millrace/connect-api';
import { STRING } from '@millrace/data';
import type { ResolvedConfig } from '@millrace/foundation';
import { configDef } from './config.ts';
import { folderError } from './errors.ts';

const IDLE_MS = 200;

export class FolderSourceTask implements SourceTask {
  #context: SourceTaskContext | undefined;
  #config: ResolvedConfig | undefined;
  #partition: SourcePartition = {};
  #last = '';

  async start(context: SourceTaskContext): Promise<void> {
    const { config } = configDef.parseOrThrow(context.config);
    this.#context = context;
    this.#config = config;
    this.#partition = { folder: config.string('folder') };
    const stored = await context.offsets.offset(this.#partition);
    this.#last = String(stored?.['file'] ?? '');
    await this.#newFiles();
  }

  async poll(signal: AbortSignal): Promise<SourceBatch | null> {
    const { context, config } = this.#started();
    const files = (await this.#newFiles()).slice(0, config.int('batch.size'));
    if (files.length === 0) {
      await context.clock.sleep(IDLE_MS, signal);
      return null;
    }
    const records: SourceRecord[] = [];
    for (const file of files) {
      const text = await readFile(path.join(config.string('folder'), file), 'utf8');
      records.push(
        new SourceRecord({
          sourcePartition: this.#partition,
          sourceOffset: { file },
          topic: config.string('topic'),
          keySchema: STRING,
          key: file,
          valueSchema: STRING,
          value: text,
        }),
      );
      this.#last = file;
    }
    return { records };
  }

  /** Called when the records up to these offsets are durable: the place to tell a source that needs to know. */
  async commit(): Promise<void> {}

  async stop(): Promise<void> {}

  #started(): { context: SourceTaskContext; config: ResolvedConfig } {
    if (!this.#context || !this.#config) throw new Error('the task was not started');
    return { context: this.#context, config: this.#config };
  }

  /** Names that begin with a dot are files that somebody still writes. */
  async #newFiles(): Promise<string[]> {
    const folder = this.#started().config.string('folder');
    try {
      const names = await readdir(folder);
      return names.filter((name) => !name.startsWith('.') && name > this.#last).sort();
    } catch (cause) {
      throw folderError('folder-source.unreadable', `The folder ${folder} cannot be read`, { cause });
    }
  }
}
