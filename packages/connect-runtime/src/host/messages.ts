// What the worker and its task threads say to each other.
import type { OffsetMap, SourcePartition } from '@millrace/connect-api';
import type { LogLevel } from '@millrace/foundation';
import type { HandOverEnd } from '@millrace/kafka-client';
import type { SharedLease } from '../lease.ts';
import type { SourceOffset, TaskSpec, TaskState } from '../task/task-runner.ts';
import type { TaskFailure, ThreadMetrics } from './task-host.ts';
import type { SharedCount } from './write-count.ts';

/** What a task asks before it writes. */
export type StartQuestion = 'fenceOthers' | 'confirmStart';

/** An error as it crosses thread borders. */
export interface SentError {
  readonly code: string;
  readonly message: string;
  readonly javaClass: string;
}
/** Levels set by name, as the worker has them. */
export type LogLevels = readonly (readonly [namespace: string, level: LogLevel])[];

/** What a thread is started with. */
export interface ThreadData {
  /** URL of a module that exports `pluginEntries`. */
  readonly pluginsModule: string;
  readonly lease: SharedLease;
  readonly logLevels: LogLevels;
  /** To a broker of this process. */
  readonly handOver?: HandOverEnd | undefined;
}

/** To a thread or process that runs tasks; `id` names an incarnation of a task. */
export type ToThread =
  | { readonly type: 'start'; readonly id: number; readonly spec: TaskSpec; readonly writes?: SharedCount }
  | { readonly type: 'pause' | 'resume' | 'forget-topics' | 'stop'; readonly id: number }
  /** Answers `read-offset`, and `store-offsets` with null. */
  | {
      readonly type: 'offset';
      readonly request: number;
      readonly offset: OffsetMap | null;
      readonly error?: string;
    }
  | { readonly type: 'allowed'; readonly request: number; readonly failure?: SentError }
  | { readonly type: 'log-level'; readonly namespace: string; readonly level: LogLevel }
  | { readonly type: 'metrics'; readonly request: number }
  | { readonly type: 'end' };

/** From a thread or process that runs tasks. */
export type FromThread =
  | {
      readonly type: 'state';
      readonly id: number;
      readonly state: TaskState;
      readonly trace?: string;
    }
  | { readonly type: 'topic'; readonly id: number; readonly topic: string }
  | { readonly type: 'failed'; readonly id: number; readonly failure: TaskFailure }
  | { readonly type: 'stopped'; readonly id: number }
  | {
      readonly type: 'read-offset';
      readonly id: number;
      readonly request: number;
      readonly partition: SourcePartition;
    }
  | {
      readonly type: 'store-offsets';
      readonly id: number;
      readonly request: number;
      readonly offsets: readonly SourceOffset[];
    }
  | { readonly type: 'ask'; readonly id: number; readonly request: number; readonly what: StartQuestion }
  | { readonly type: 'log'; readonly line: string }
  | { readonly type: 'metrics'; readonly request: number; readonly metrics: ThreadMetrics };
