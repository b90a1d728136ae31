// What happens to a record that fails in a transform or converter: retried where that can help, tolerated and
// reported, or the end of the task. Connect's RetryWithToleranceOperator and its reporters in one place.
import { offsetMapOf, type RecordCoordinates, type SourceOffset } from '@millrace/connect-api';
import { isUnconvertible } from '@millrace/data';
import {
  type Clock,
  javaTrace,
  type Logger,
  MillraceError,
  messageOf,
  policyOf,
  type RawConfig,
} from '@millrace/foundation';
import { connectError } from '../errors.ts';
import { ErrorCounts } from '../metrics/task-meters.ts';
import { jsonText } from '../stores/offset-records.ts';
import type { FailedSourceRecord } from './source-letters.ts';

/** Where in the path of a record an operation is, in Connect's words. */
export type Stage =
  | 'TASK_POLL'
  | 'TASK_PUT'
  | 'TRANSFORMATION'
  | 'KEY_CONVERTER'
  | 'VALUE_CONVERTER'
  | 'HEADER_CONVERTER'
  | 'KAFKA_PRODUCE'
  | 'KAFKA_CONSUME';

/** A record as it was consumed: what a dead letter holds. */
export interface ConsumedRecord extends RecordCoordinates {
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[];
}

/** One failed operation on one record. */
export interface Failure {
  readonly stage: Stage;
  /** Java class of the converter, transform or task that failed. */
  readonly className: string;
  readonly error: unknown;
  /** Null for records of a source. */
  readonly consumed: ConsumedRecord | null;
  /** Of a source. */
  readonly produced?: FailedSourceRecord;
}

/** Takes a failed record; resolves when that is durable. */
export type FailureReporter = (failure: Failure) => Promise<void>;

export interface ErrorSettings {
  readonly retryTimeoutMs: number;
  readonly retryMaxDelayMs: number;
  readonly tolerateAll: boolean;
  /** What is done about a change of a source whose values its fields cannot hold: Debezium's setting. */
  readonly unconvertible: 'fail' | 'warn' | 'skip';
  readonly log: boolean;
  readonly logMessages: boolean;
}

/** Reads the `errors.*` keys of a config that was validated. */
export function errorSettings(config: RawConfig): ErrorSettings {
  const number = (key: string, fallback: number): number => {
    const parsed = Number(config[key] ?? fallback);
    return Number.isFinite(parsed) ? parsed : fallback;
  };
  const isTrue = (key: string): boolean => config[key]?.trim().toLowerCase() === 'true';
  return {
    retryTimeoutMs: number('errors.retry.timeout', 0),
    retryMaxDelayMs: number('errors.retry.delay.max.ms', 60000),
    tolerateAll: config['errors.tolerance']?.trim() === 'all',
    unconvertible: unconvertibleMode(config['event.processing.failure.handling.mode'] ?? undefined),
    log: isTrue('errors.log.enable'),
    logMessages: isTrue('errors.log.include.messages'),
  };
}

function unconvertibleMode(text: string | undefined): ErrorSettings['unconvertible'] {
  const mode = text?.trim().toLowerCase();
  return mode === 'warn' ? 'warn' : mode === 'skip' || mode === 'ignore' ? 'skip' : 'fail';
}

const FIRST_RETRY_DELAY_MS = 300;

/** Decides about failures of one task. */
export class ErrorHandler {
  readonly settings: ErrorSettings;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #reporters: readonly FailureReporter[];
  readonly counts: ErrorCounts;

  constructor(
    settings: ErrorSettings,
    parts: {
      readonly clock: Clock;
      readonly logger: Logger;
      readonly reporters?: readonly FailureReporter[];
      /** Shown as the metrics of the task. */
      readonly counts?: ErrorCounts;
    },
  ) {
    this.settings = settings;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    this.#reporters = parts.reporters ?? [];
    this.counts = parts.counts ?? new ErrorCounts();
  }

  /**
   * Runs an operation that failed once again, as long as its errors can pass by themselves and the time for that is
   * not over. Resolves with its result, or with the failure in the end.
   */
  async retry<T>(
    failure: Failure,
    operation: () => T | Promise<T>,
    signal: AbortSignal,
  ): Promise<{ readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: Failure }> {
    const { retryTimeoutMs, retryMaxDelayMs } = this.settings;
    const deadline =
      retryTimeoutMs < 0 ? Number.POSITIVE_INFINITY : this.#clock.monotonicMs() + retryTimeoutMs;
    let last = failure;
    this.counts.failures++;
    let delay = FIRST_RETRY_DELAY_MS;
    while (policyOf(last.error) === 'retry' && !signal.aborted) {
      const left = deadline - this.#clock.monotonicMs();
      if (left <= 0) break;
      await this.#clock.sleep(Math.min(delay, retryMaxDelayMs, left), signal);
      if (signal.aborted) break;
      delay *= 2;
      this.counts.retries++;
      try {
        return { ok: true, value: await operation() };
      } catch (error) {
        this.counts.failures++;
        last = { ...failure, error };
      }
    }
    return { ok: false, failure: last };
  }

  /**
   * Reports a record that failed for good. Returns when it may be passed by.
   * @throws connect.tolerance_exceeded when errors are not tolerated.
   */
  async giveUp(failure: Failure): Promise<void> {
    const { counts } = this;
    // What a sink reports has not been tried here; Connect counts it as an error only where that ends the task.
    const isReport = failure.stage === 'TASK_PUT';
    if (isReport) counts.failures++;
    if (!isReport || !this.settings.tolerateAll) counts.errors++;
    counts.lastMs = this.#clock.nowMs();
    if (this.settings.log) this.#logFailure(failure);
    // A dead letter is written also when the task fails after it, as in Connect.
    for (const report of this.#reporters) await report(failure);
    if (!this.settings.tolerateAll && !this.#passesUnconvertible(failure)) {
      throw connectError('connect.tolerance_exceeded', 'Tolerance exceeded in error handler', {
        cause: failure.error,
      });
    }
    if (!isReport) counts.skipped++;
  }

  /** As Debezium skips an event that it cannot process. */
  #passesUnconvertible({ error, produced }: Failure): boolean {
    const { unconvertible } = this.settings;
    if (unconvertible === 'fail' || produced === undefined || !isUnconvertible(error)) return false;
    const level = unconvertible === 'warn' ? 'warn' : 'debug';
    const { position } = produced;
    const offset = position === undefined ? '' : offsetText(position.offset);
    this.#logger[level]({ err: error }, `Error while processing event at offset ${offset}`);
    return true;
  }

  #logFailure(failure: Failure): void {
    this.counts.logged++;
    const { stage, className, consumed, error } = failure;
    const where =
      this.settings.logMessages && consumed
        ? { topic: consumed.topic, partition: consumed.partition, offset: consumed.offset }
        : {};
    this.#logger.error({ err: error, stage, class: className, ...where }, 'a record failed');
  }
}

/** The context headers of a dead letter, in Connect's order. */
export function contextHeaders(
  failure: Failure,
  task: { readonly connectorName: string; readonly taskId: number },
): { readonly key: string; readonly value: Buffer | null }[] {
  const { stage, className, error, consumed, produced } = failure;
  const position = produced?.position;
  const javaClass = error instanceof MillraceError ? error.javaClass : 'java.lang.RuntimeException';
  const texts: readonly (readonly [string, string])[] = [
    ['topic', consumed?.topic ?? produced?.topic ?? ''],
    ['partition', String(consumed?.partition ?? produced?.kafkaPartition ?? -1)],
    ['offset', String(consumed?.offset ?? -1)],
    ['connector.name', task.connectorName],
    ['task.id', String(task.taskId)],
    ['stage', stage],
    ['class.name', className],
    ['exception.class.name', javaClass],
    ['exception.message', messageOf(error)],
    ['exception.stacktrace', javaTrace(error)],
    ...(position === undefined
      ? []
      : ([
          ['source.partition', jsonText(position.partition)],
          ['source.offset', offsetText(position.offset)],
        ] as const)),
  ];
  return texts.map(([name, text]) => ({ key: `__connect.errors.${name}`, value: Buffer.from(text) }));
}

function offsetText(offset: SourceOffset): string {
  return jsonText(offsetMapOf(offset));
}
