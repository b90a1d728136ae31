// What every running task is to its host, and what it is given.
import type { OffsetMap, SourcePartition } from '@millrace/connect-api';
import type { Clock, Logger, Metrics, RawConfig } from '@millrace/foundation';
import type { HandOver, HeartbeatLines, WriteObserver } from '@millrace/kafka-client';
import type { TaskMeters } from '../metrics/task-meters.ts';
import type { PluginRegistry } from '../plugins.ts';

/** One incarnation of a task, as plain data: it crosses thread borders. */
export interface TaskSpec {
  readonly connector: string;
  readonly task: number;
  readonly kind: 'source' | 'sink';
  /** `connector.class`, by which a thread finds the plug-in. */
  readonly connectorClass: string;
  /** The task's config with variables resolved. */
  readonly config: RawConfig;
  /** The connector's config with variables resolved: converters, transforms, errors. */
  readonly connectorConfig: RawConfig;
  readonly paused: boolean;
  readonly settings: TaskSettings;
  /** Where the offsets of a source are; absent = in the worker's topic. */
  readonly offsets?: OffsetsPlace;
}

/** A topic of offsets. */
export interface OffsetsPlace {
  /** null = a standalone worker keeps them itself. */
  readonly topic: string | null;
  /** Not the worker's topic: it is on the cluster of the connector's records, and the worker's gets a copy. */
  readonly own: boolean;
}

/** Worker settings that tasks need, as plain data. */
export interface TaskSettings {
  readonly bootstrapServers: string;
  readonly groupId: string;
  /** Where tasks may keep files that nobody needs after them. */
  readonly spoolFolder?: string;
  /** The worker's `key.converter*`, `value.converter*` and `header.converter*` keys, defaults included. */
  readonly workerConverters: RawConfig;
  /** Settings of the worker's clients: its security, and the keys below `producer.`, `consumer.` and `admin.`. */
  readonly workerClient: Readonly<Record<string, string>>;
  readonly workerProducer: Readonly<Record<string, string>>;
  readonly workerConsumer: Readonly<Record<string, string>>;
  readonly workerAdmin: Readonly<Record<string, string>>;
  /** null = a standalone worker keeps offsets itself, and is told them by `TaskEvents.storeOffsets`. */
  readonly offsetsTopic: string | null;
  /** Whether sources write records and offsets in transactions. */
  readonly exactlyOnce: boolean;
  readonly flushIntervalMs: number;
  readonly flushTimeoutMs: number;
  readonly stopTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly producerBufferBytes: number;
  readonly createTopics: boolean;
}

/** States of a task that has not failed; UNASSIGNED until it has started, as in Connect. */
export type TaskState = 'UNASSIGNED' | 'RUNNING' | 'PAUSED';

/** What a task tells its host. */
export interface TaskEvents {
  /** `trace` says what keeps a task from making progress, as long as something does (INV-7). */
  onState(state: TaskState, trace?: string): void;
  /** The task used a topic for the first time, or again after `forgetTopics`. */
  onTopic(topic: string): void;
  /** The stored offset of a source partition, with everything written before the call. */
  readOffset(partition: SourcePartition): Promise<OffsetMap | null>;
  /** Keeps offsets where there is no topic for them; resolves when they are durable. */
  storeOffsets(offsets: readonly SourceOffset[]): Promise<void>;
  /** Before a transactional producer begins: resolves when no earlier task of the connector can write any more. */
  fenceOthers(): Promise<void>;
  /** After it has begun. @throws connect.task_outdated when the task is another one's by now, or has a newer config */
  confirmStart(): Promise<void>;
}

/** An offset of a source partition, as tasks store it. */
export interface SourceOffset {
  readonly partition: SourcePartition;
  readonly offset: OffsetMap | null;
}

/** What a task runs with. */
export interface TaskEnvironment {
  readonly plugins: PluginRegistry;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Told of what the task writes, where somebody has to know that when the thread is gone. */
  readonly writes?: WriteObserver;
  /** Whether the group counts on this worker to run the task; while it does not, the task writes nothing (INV-2). */
  readonly mayWrite?: () => boolean;
  /** Of all tasks of this thread. */
  readonly heartbeatLines?: HeartbeatLines;
  /** Takes large batches to the bundled broker. */
  readonly handOver?: HandOver | undefined;
}

/** What a runner is made with. */
export interface RunnerEnvironment extends TaskEnvironment {
  /** Counts what it does; whoever started it shows and hides them. */
  readonly meters: TaskMeters;
}

/** A running task. */
export interface TaskRunner {
  /**
   * Runs until `stop`, or until the task fails, which rejects. When it settles, nothing of this incarnation can reach
   * a topic any more (INV-2).
   */
  run(): Promise<void>;
  pause(): void;
  resume(): void;
  /** Asks it to end; idempotent. */
  stop(): void;
  forgetTopics(): void;
  /**
   * Cuts off a task that did not end in time. Resolves when nothing of this incarnation can reach a topic any more,
   * although `run` may still be waiting for the connector's code.
   */
  kill(): Promise<void>;
}
