// Where tasks run. The herder does not know whether that is this thread or another.
import type { OffsetMap, SourcePartition } from '@millrace/connect-api';
import type { ErrorPolicy, LogLevel, RenderedFamily } from '@millrace/foundation';
import type { SourceOffset, TaskSpec, TaskState } from '../task/task-runner.ts';

/** Why a task ended, as plain data. */
export interface TaskFailure {
  readonly message: string;
  /** What the status shows. */
  readonly trace: string;
  readonly policy: ErrorPolicy;
  /** The task could not be made, for want of a converter or transform that works. */
  readonly neverMade?: boolean;
  /** How long something of the task may still reach a topic, so that `stop` will wait; absent = nothing can. */
  readonly quietInMs?: number;
}

/** What a host tells about a task it runs. */
export interface TaskListener {
  onState(state: TaskState, trace?: string): void;
  onTopic(topic: string): void;
  onFailed(failure: TaskFailure): void;
  readOffset(partition: SourcePartition): Promise<OffsetMap | null>;
  /** Keeps offsets of a worker that has no topic for them; resolves when they are durable. */
  storeOffsets(offsets: readonly SourceOffset[]): Promise<void>;
  /** See `TaskEvents`. */
  fenceOthers(): Promise<void>;
  confirmStart(): Promise<void>;
}

/** A task in a host. */
export interface HostedTask {
  pause(): void;
  resume(): void;
  forgetTopics(): void;
  /**
   * Ends the task, or what is left of a failed one. Resolves when nothing of it can reach a topic or a group any more
   * (INV-2): soon after the graceful timeout, or once what may still be under way has timed out.
   */
  stop(): Promise<void>;
}

/** The metrics of a thread. */
export interface ThreadMetrics {
  readonly shown: readonly RenderedFamily[];
  /** Those of prom-client's own kinds, in its registry form. */
  readonly others: readonly object[];
}

export interface TaskHost extends AsyncDisposable {
  /** A task will probably be started soon: what takes long and does not depend on the task may begin. */
  expect(): void;
  start(spec: TaskSpec, listener: TaskListener): HostedTask;
  setLogLevel(namespace: string, level: LogLevel): void;
  /** Metrics of other threads; nothing for a host in this thread. */
  metrics(): Promise<readonly ThreadMetrics[]>;
}
