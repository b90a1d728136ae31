// The config topic as the worker's memory of connectors, tasks and target states. What it answers is what the topic
// says: a write counts when it was read back.
import type { TopicLog, TopicLogRecord } from '@millrace/connect-api';
import type { Logger, RawConfig } from '@millrace/foundation';
import { STORE_TOPIC_CONFIG } from '../topic-creation.ts';
import type { LogOpener } from '../topic-log.ts';
import {
  type ConfigRecord,
  decodeConfigRecord,
  encodeConfigRecord,
  type TargetState,
} from './config-records.ts';
import { type ConfigChange, ConfigState, type SessionKey } from './config-state.ts';

export interface ConfigStoreOptions {
  readonly topic: string;
  readonly replicationFactor: number;
  readonly openLog: LogOpener;
  readonly logger: Logger;
  /** Called for each change that is read after `start` resolved, in the order of the topic. */
  readonly onChange: (change: ConfigChange) => void;
  readonly onError: (error: Error) => void;
}

export class ConfigStore {
  readonly state: ConfigState = new ConfigState();
  readonly #options: ConfigStoreOptions;
  #log: TopicLog | undefined;
  #started = false;

  constructor(options: ConfigStoreOptions) {
    this.#options = options;
  }

  /** Reads the whole topic, then follows it. */
  async start(): Promise<void> {
    const { topic, replicationFactor, openLog, onError } = this.#options;
    this.#log = await openLog(topic, {
      partitions: 1,
      replicationFactor,
      config: STORE_TOPIC_CONFIG,
      from: 'beginning',
      onRecord: (record) => this.#read(record),
      onError,
    });
    await this.#log.readToEnd();
    this.#started = true;
  }

  /** Resolves when everything that was written before the call has been applied. */
  async refresh(): Promise<void> {
    await this.#opened().readToEnd();
  }

  async putConnector(connector: string, config: RawConfig, targetState?: TargetState): Promise<void> {
    const records: ConfigRecord[] = [{ kind: 'connector', connector, config }];
    // The state comes first, so that no worker starts the connector before it knows better.
    if (targetState !== undefined) records.unshift({ kind: 'target-state', connector, state: targetState });
    await this.#write(records);
  }

  /** Both or none: a state that outlived its connector would be that of the next one of the name. */
  async removeConnector(connector: string): Promise<void> {
    await this.#write([
      { kind: 'connector', connector, config: null },
      { kind: 'target-state', connector, state: null },
    ]);
  }

  /** Stores the configs of all tasks; they count together or not at all. */
  async putTasks(connector: string, configs: readonly RawConfig[]): Promise<void> {
    await this.#write([
      ...configs.map((config, task): ConfigRecord => ({ kind: 'task', connector, task, config })),
      { kind: 'commit', connector, tasks: configs.length },
    ]);
  }

  async putTargetState(connector: string, state: TargetState): Promise<void> {
    const records: ConfigRecord[] = [{ kind: 'target-state', connector, state }];
    // A stopped connector has no tasks.
    if (state === 'STOPPED') records.unshift({ kind: 'commit', connector, tasks: 0 });
    await this.#write(records);
  }

  async putRestart(
    connector: string,
    options: { includeTasks: boolean; onlyFailed: boolean },
  ): Promise<void> {
    await this.#write([{ kind: 'restart', connector, ...options }]);
  }

  async putLoggerLevel(namespace: string, level: string): Promise<void> {
    await this.#write([{ kind: 'logger', namespace, level }]);
  }

  async putSessionKey({ key, algorithm, createdMs }: SessionKey): Promise<void> {
    await this.#write([{ kind: 'session-key', key: key.toString('base64'), algorithm, createdMs }]);
  }

  async close(): Promise<void> {
    await this.#log?.close();
  }

  async #write(records: readonly ConfigRecord[]): Promise<void> {
    const log = this.#opened();
    const encoded = records.map((record) => {
      const { key, value } = encodeConfigRecord(record);
      return { key: Buffer.from(key), value: value === null ? null : Buffer.from(value) };
    });
    await log.appendTogether(encoded);
    await log.readToEnd();
  }

  #read(record: TopicLogRecord): void {
    this.state.offset = record.offset + 1;
    if (record.key === null) return;
    const decoded = decodeConfigRecord(record.key.toString(), record.value?.toString() ?? null);
    if (!decoded) {
      this.#options.logger.debug({ offset: record.offset }, 'a record of the config topic was passed by');
      return;
    }
    const change = this.state.apply(decoded);
    if (change && this.#started) this.#options.onChange(change);
  }

  #opened(): TopicLog {
    if (!this.#log) throw new Error('the config store was not started');
    return this.#log;
  }
}
