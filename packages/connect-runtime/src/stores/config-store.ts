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
import type { PrivilegedWriter } from './privileged-writer.ts';

export interface ConfigStoreOptions {
  readonly topic: string;
  readonly replicationFactor: number;
  readonly openLog: LogOpener;
  readonly logger: Logger;
  /** Makes the writes that only the leader may make; absent = they are made like all others. */
  readonly privileged?: PrivilegedWriter | undefined;
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
    // What a worker that died has left open ends when its work goes on: that must not wait for it.
    await this.#log.readToEnd('decided');
    this.#started = true;
  }

  /** Resolves when everything that was written before the call has been applied. */
  async refresh(): Promise<void> {
    await this.#opened().readToEnd();
  }

  /**
   * Resolves when everything that others may know by now has been applied. What a leader that died has left undecided is
   * not waited for: nobody has read it, and its successor decides it only after this.
   */
  async catchUp(): Promise<void> {
    await this.#opened().readToEnd('decided');
  }

  /** As a new leader: from when it resolves on, nothing of an earlier one comes any more, and all of it was read. */
  async lead(): Promise<void> {
    await this.#options.privileged?.claim();
    await this.refresh();
  }

  /** Another worker leads. */
  async follow(): Promise<void> {
    await this.#options.privileged?.release();
  }

  async putConnector(connector: string, config: RawConfig, targetState?: TargetState): Promise<void> {
    const records: ConfigRecord[] = [{ kind: 'connector', connector, config }];
    // The state comes first, so that no worker starts the connector before it knows better.
    if (targetState !== undefined) records.unshift({ kind: 'target-state', connector, state: targetState });
    await this.#writeAsLeader(records);
  }

  /** Both or none: a state that outlived its connector would be that of the next one of the name. */
  async removeConnector(connector: string): Promise<void> {
    await this.#writeAsLeader([
      { kind: 'connector', connector, config: null },
      { kind: 'target-state', connector, state: null },
    ]);
  }

  /** Stores the configs of all tasks; they count together or not at all. */
  async putTasks(connector: string, configs: readonly RawConfig[]): Promise<void> {
    await this.#writeAsLeader([
      ...configs.map((config, task): ConfigRecord => ({ kind: 'task', connector, task, config })),
      { kind: 'commit', connector, tasks: configs.length },
    ]);
  }

  async putTargetState(connector: string, state: TargetState): Promise<void> {
    // A stopped connector has no tasks.
    if (state === 'STOPPED') await this.#writeAsLeader([{ kind: 'commit', connector, tasks: 0 }]);
    await this.#write([{ kind: 'target-state', connector, state }]);
  }

  /** Stores how many transactional producers the tasks may have, now that those before were fenced. */
  async putTasksFencing(connector: string, tasks: number): Promise<void> {
    await this.#writeAsLeader([{ kind: 'tasks-fencing', connector, tasks }]);
  }

  async putRestart(
    connector: string,
    options: { includeTasks: boolean; onlyFailed: boolean },
  ): Promise<void> {
    await this.#writeAsLeader([{ kind: 'restart', connector, ...options }]);
  }

  async putLoggerLevel(namespace: string, level: string): Promise<void> {
    await this.#write([{ kind: 'logger', namespace, level }]);
  }

  async putSessionKey({ key, algorithm, createdMs }: SessionKey): Promise<void> {
    await this.#writeAsLeader([{ kind: 'session-key', key: key.toString('base64'), algorithm, createdMs }]);
  }

  async close(): Promise<void> {
    await this.#options.privileged?.release();
    await this.#log?.close();
  }

  async #writeAsLeader(records: readonly ConfigRecord[]): Promise<void> {
    const { privileged } = this.#options;
    if (!privileged) return await this.#write(records);
    await privileged.write(records.map(encodeConfigRecord));
    await this.#opened().readToEnd();
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
