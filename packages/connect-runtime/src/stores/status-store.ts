// States of connectors and tasks and the topics they used, kept in the status topic. Writes go out in order in the
// background and are seen here at once; they are repeated by the client until the brokers take them.
import type { TopicLog, TopicLogRecord } from '@millrace/connect-api';
import type { Clock, Logger } from '@millrace/foundation';
import { STORE_TOPIC_CONFIG } from '../topic-creation.ts';
import type { LogOpener } from '../topic-log.ts';
import {
  type ActiveTopic,
  decodeStatusRecord,
  encodeStatusRecord,
  type StatusRecord,
  type StatusValue,
} from './status-records.ts';

export interface StatusStoreOptions {
  readonly topic: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly openLog: LogOpener;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Whether the group counts on this worker now; while it does not, states wait. */
  readonly mayWrite: () => boolean;
  readonly onError: (error: Error) => void;
}

const MAY_WRITE_LOOK_MS = 50;

interface Entry {
  status: StatusValue | undefined;
  readonly tasks: Map<number, StatusValue>;
  readonly topics: Map<string, ActiveTopic>;
}

export class StatusStore {
  readonly #options: StatusStoreOptions;
  readonly #entries = new Map<string, Entry>();
  /** Own writes on their way by key: an older record that is read meanwhile does not undo them. */
  readonly #inFlight = new Map<string, number>();
  /** What this worker said last of what it runs, since it has its place in the group. */
  readonly #said = new Map<string, StatusRecord & { readonly kind: 'connector' | 'task' }>();
  #log: TopicLog | undefined;
  #writes: Promise<void> = Promise.resolve();
  #cutOff = false;
  /** Another one each time that the worker has lost its place. */
  #place: object = {};

  constructor(options: StatusStoreOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { topic, partitions, replicationFactor, openLog, onError } = this.#options;
    this.#log = await openLog(topic, {
      partitions,
      replicationFactor,
      config: STORE_TOPIC_CONFIG,
      from: 'beginning',
      onRecord: (record) => this.#read(record),
      onError,
    });
    await this.#log.readToEnd();
  }

  connector(name: string): StatusValue | undefined {
    return this.#entries.get(name)?.status;
  }
  task(connector: string, task: number): StatusValue | undefined {
    return this.#entries.get(connector)?.tasks.get(task);
  }
  /** Tasks with a state, by number. */
  tasks(connector: string): [number, StatusValue][] {
    return [...(this.#entries.get(connector)?.tasks ?? [])].sort(([a], [b]) => a - b);
  }
  topics(connector: string): ActiveTopic[] {
    return [...(this.#entries.get(connector)?.topics.values() ?? [])];
  }
  hasTopic(connector: string, topic: string): boolean {
    return this.#entries.get(connector)?.topics.has(topic) ?? false;
  }
  /** Names that have any record. */
  names(): string[] {
    return [...this.#entries.keys()];
  }

  /**
   * Stores a record; null values are tombstones. `yields`: not over what another worker has said in a later generation
   * of the group, as in Connect.
   */
  put(record: StatusRecord, { yields }: { readonly yields: boolean } = { yields: false }): void {
    if (yields && this.#isLater(record)) return;
    this.#apply(record);
    if (this.#cutOff) return;
    const { key, value } = encodeStatusRecord(record);
    const place = this.#place;
    this.#remember(key, record);
    this.#inFlight.set(key, (this.#inFlight.get(key) ?? 0) + 1);
    this.#writes = this.#writes
      .then(async () => {
        if (!(await this.#untilMayWrite(place))) return;
        await this.#log?.append(Buffer.from(key), value === null ? null : Buffer.from(value));
      })
      .catch((error: unknown) => {
        this.#options.logger.warn({ err: error, key }, 'a state could not be stored');
      })
      .finally(() => {
        if (place !== this.#place) return;
        const left = (this.#inFlight.get(key) ?? 1) - 1;
        if (left === 0) this.#inFlight.delete(key);
        else this.#inFlight.set(key, left);
      });
  }

  #isLater(record: StatusRecord): boolean {
    if (record.kind === 'topic' || record.value === null) return false;
    const { connector, value } = record;
    const known = record.kind === 'task' ? this.task(connector, record.task) : this.connector(connector);
    return known !== undefined && known.workerId !== value.workerId && known.generation > value.generation;
  }

  #remember(key: string, record: StatusRecord): void {
    if (record.kind === 'topic') return;
    const runs = record.value !== null && record.value.state !== 'UNASSIGNED';
    if (runs) this.#said.set(key, record);
    else this.#said.delete(key);
  }

  /** Forgets a connector: tombstones for all its records. */
  removeConnector(connector: string): void {
    for (const { topic } of this.topics(connector)) {
      this.put({ kind: 'topic', connector, topic, value: null });
    }
    for (const [task] of this.tasks(connector)) this.put({ kind: 'task', connector, task, value: null });
    if (this.connector(connector)) this.put({ kind: 'connector', connector, value: null });
  }

  /**
   * The group no longer counts on this worker: what it says is kept here and reaches nobody, since others may run what it
   * ran, until `resume`.
   */
  cutOff(): void {
    this.#cutOff = true;
    this.#place = {};
    this.#said.clear();
    this.#inFlight.clear();
  }
  resume(): void {
    this.#cutOff = false;
  }

  /** False when the worker has lost the place that it had: what it said then is nobody's to hear, then or later. */
  async #untilMayWrite(place: object): Promise<boolean> {
    const { mayWrite, clock } = this.#options;
    while (place === this.#place && !mayWrite()) await clock.sleep(MAY_WRITE_LOOK_MS);
    return place === this.#place;
  }

  /** Resolves when all writes so far are durable or given up. What is on its way is nobody's to wait for while cut off. */
  async flush(): Promise<void> {
    if (!this.#cutOff) await this.#writes;
  }

  async close(): Promise<void> {
    if (!this.#options.mayWrite()) this.cutOff();
    await this.flush();
    await this.#log?.close();
  }

  #read(record: TopicLogRecord): void {
    const key = record.key?.toString() ?? '';
    if (this.#inFlight.has(key)) return;
    const decoded = decodeStatusRecord(key, record.value?.toString() ?? null);
    if (!decoded) return;
    const said = this.#said.get(key);
    // A network has brought late what a worker said that had lost its place: whoever reads must not believe it.
    if (said && isOutdated(decoded, said)) this.put(said);
    else this.#apply(decoded);
  }

  #apply(record: StatusRecord): void {
    const { connector, value } = record;
    const entry = this.#entries.get(connector) ?? { status: undefined, tasks: new Map(), topics: new Map() };
    this.#entries.set(connector, entry);
    switch (record.kind) {
      case 'connector':
        entry.status = record.value ?? undefined;
        break;
      case 'task':
        if (record.value === null) entry.tasks.delete(record.task);
        else entry.tasks.set(record.task, record.value);
        break;
      case 'topic':
        if (record.value === null) entry.topics.delete(record.topic);
        else entry.topics.set(record.topic, record.value);
        break;
      default:
        record satisfies never;
    }
    if (value === null && !entry.status && entry.tasks.size === 0 && entry.topics.size === 0) {
      this.#entries.delete(connector);
    }
  }
}

function isOutdated(read: StatusRecord, said: StatusRecord): boolean {
  if (read.kind === 'topic' || said.kind === 'topic' || read.value === null || said.value === null)
    return false;
  return read.value.workerId !== said.value.workerId && read.value.generation < said.value.generation;
}
