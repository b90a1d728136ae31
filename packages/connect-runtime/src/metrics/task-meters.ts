// What a task counts of its work: a few additions a batch, nothing a record. Lives from its start until it is stopped,
// so that the numbers of a failed task can still be read, as in Connect.
import { type Clock, type Metrics, SampledStat } from '@millrace/foundation';
import type { BatchProducer, Cluster } from '@millrace/kafka-client';
import { showConnections, showProducer } from './client-meters.ts';
import type { Labels, TypeOf, Values } from './mbeans.ts';
import { showMBean } from './show-mbean.ts';

/** What went wrong with records; counted where it happens. */
export class ErrorCounts {
  failures = 0;
  errors = 0;
  skipped = 0;
  retries = 0;
  logged = 0;
  deadLetters = 0;
  deadLetterFailures = 0;
  /** Milliseconds since 1970; 0 = never. */
  lastMs = 0;

  values(): Values<'errors'> {
    return {
      'total-record-failures': this.failures,
      'total-record-errors': this.errors,
      'total-records-skipped': this.skipped,
      'total-retries': this.retries,
      'total-errors-logged': this.logged,
      'deadletterqueue-produce-requests': this.deadLetters,
      'deadletterqueue-produce-failures': this.deadLetterFailures,
      'last-error-timestamp': this.lastMs,
    };
  }
}

/** Values and how many there were: Kafka's rate with its total. */
class Flow {
  #total = 0;
  readonly #stat = new SampledStat();

  add(count: number, nowMs: number): void {
    this.#total += count;
    this.#stat.record(count, nowMs);
  }
  get total(): number {
    return this.#total;
  }
  rate(nowMs: number): number {
    return this.#stat.ratePerSecond(nowMs);
  }
}

/** What tasks of both kinds count. */
export class TaskMeters {
  readonly errors: ErrorCounts = new ErrorCounts();
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #labels: Labels<'taskWork'>;
  readonly #batch = new SampledStat();
  readonly #commitTime = new SampledStat();
  readonly #commitSuccess = new SampledStat();
  readonly #hide: (() => void)[];

  constructor(
    task: { readonly connector: string; readonly task: number },
    { metrics, clock }: { readonly metrics: Metrics; readonly clock: Clock },
  ) {
    this.#clock = clock;
    this.#metrics = metrics;
    this.#labels = { connector: task.connector, task: String(task.task) };
    this.#hide = [
      showMBean(metrics, 'taskWork', this.#labels, () => this.#values()),
      showMBean(metrics, 'errors', this.#labels, () => this.errors.values()),
    ];
  }

  /** The meters of a source, on the same page. */
  source(): SourceMeters {
    const meters = new SourceMeters(this, this.#clock);
    this.#hide.push(showMBean(this.#metrics, 'source', this.#labels, () => meters.values()));
    return meters;
  }

  /** The meters of a sink, on the same page. */
  sink(): SinkMeters {
    const meters = new SinkMeters(this, this.#clock);
    this.#hide.push(showMBean(this.#metrics, 'sink', this.#labels, () => meters.values()));
    return meters;
  }

  /** A client of the task, on the same page. */
  client(cluster: Cluster, type: TypeOf<'connections'>): void {
    this.#hide.push(showConnections(this.#metrics, cluster, type));
  }

  /** The producer of a source, on the same page. */
  producer(clientId: string, producer: BatchProducer): void {
    this.#hide.push(showProducer(this.#metrics, clientId, producer));
  }

  /** Takes everything from the page. */
  hide(): void {
    for (const hide of this.#hide.splice(0)) hide();
  }

  batch(records: number, nowMs: number): void {
    this.#batch.record(records, nowMs);
  }

  commit(tookMs: number, succeeded: boolean, nowMs: number): void {
    if (succeeded) this.#commitTime.record(tookMs, nowMs);
    this.#commitSuccess.record(succeeded ? 1 : 0, nowMs);
  }

  #values(): Values<'taskWork'> {
    const nowMs = this.#clock.monotonicMs();
    return {
      'batch-size-avg': this.#batch.average(nowMs),
      'batch-size-max': this.#batch.maximum(nowMs),
      'offset-commit-avg-time-ms': this.#commitTime.average(nowMs),
      'offset-commit-max-time-ms': this.#commitTime.maximum(nowMs),
      'offset-commit-success-percentage': shareOf(this.#commitSuccess, nowMs),
      'offset-commit-failure-percentage': shareOf(this.#commitSuccess, nowMs, { others: true }),
    };
  }
}

/** What a source counts. */
export class SourceMeters {
  readonly #task: TaskMeters;
  readonly #clock: Clock;
  readonly #polled = new Flow();
  readonly #written = new Flow();
  readonly #pollTime = new SampledStat();
  readonly #active = new SampledStat();
  readonly #transactions = new SampledStat();
  /** Records that are read and not durable yet; whoever knows sets it. */
  active: () => number = () => 0;

  constructor(task: TaskMeters, clock: Clock) {
    this.#task = task;
    this.#clock = clock;
  }

  /** The source gave a batch, after so long. */
  polled(records: number, tookMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    this.#polled.add(records, nowMs);
    this.#pollTime.record(tookMs, nowMs);
    this.#task.batch(records, nowMs);
    this.#active.record(this.active() + records, nowMs);
  }

  /** Records became durable in Kafka. */
  written(records: number): void {
    const nowMs = this.#clock.monotonicMs();
    this.#written.add(records, nowMs);
    this.#active.record(this.active(), nowMs);
  }

  /** A transaction of so many records was committed. */
  transaction(records: number): void {
    this.#transactions.record(records, this.#clock.monotonicMs());
  }

  /** Offsets were stored, or there were none to store. */
  committed(sinceMs: number, succeeded: boolean): void {
    const nowMs = this.#clock.monotonicMs();
    this.#task.commit(nowMs - sinceMs, succeeded, nowMs);
  }

  values(): Values<'source'> {
    const nowMs = this.#clock.monotonicMs();
    return {
      'source-record-poll-rate': this.#polled.rate(nowMs),
      'source-record-poll-total': this.#polled.total,
      'source-record-write-rate': this.#written.rate(nowMs),
      'source-record-write-total': this.#written.total,
      'source-record-active-count': this.active(),
      'source-record-active-count-max': this.#active.maximum(nowMs),
      'source-record-active-count-avg': this.#active.average(nowMs),
      'poll-batch-avg-time-ms': this.#pollTime.average(nowMs),
      'poll-batch-max-time-ms': this.#pollTime.maximum(nowMs),
      'transaction-size-min': this.#transactions.minimum(nowMs),
      'transaction-size-max': this.#transactions.maximum(nowMs),
      'transaction-size-avg': this.#transactions.average(nowMs),
    };
  }
}

/** What a sink counts. */
export class SinkMeters {
  readonly #task: TaskMeters;
  readonly #clock: Clock;
  readonly #read = new Flow();
  readonly #sent = new Flow();
  readonly #commits = new Flow();
  readonly #putTime = new SampledStat();
  readonly #active = new SampledStat();
  #attempts = 0;
  /** What is read at a look: partitions it has, and records whose offsets are not committed. */
  partitions: () => number = () => 0;
  active: () => number = () => 0;

  constructor(task: TaskMeters, clock: Clock) {
    this.#task = task;
    this.#clock = clock;
  }

  /** Records read from Kafka so far. */
  get consumed(): number {
    return this.#read.total;
  }

  read(records: number): void {
    this.#read.add(records, this.#clock.monotonicMs());
  }

  /** The sink took a batch, which began at that time. */
  put(records: number, sinceMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    this.#sent.add(records, nowMs);
    this.#putTime.record(nowMs - sinceMs, nowMs);
    this.#task.batch(records, nowMs);
  }

  /** Records were delivered, or offsets committed. */
  moved(): void {
    this.#active.record(this.active(), this.#clock.monotonicMs());
  }

  committed(sinceMs: number, succeeded: boolean): void {
    const nowMs = this.#clock.monotonicMs();
    this.#attempts++;
    if (succeeded) this.#commits.add(1, nowMs);
    this.#task.commit(nowMs - sinceMs, succeeded, nowMs);
    this.#active.record(this.active(), nowMs);
  }

  values(): Values<'sink'> {
    const nowMs = this.#clock.monotonicMs();
    return {
      'sink-record-read-rate': this.#read.rate(nowMs),
      'sink-record-read-total': this.#read.total,
      'sink-record-send-rate': this.#sent.rate(nowMs),
      'sink-record-send-total': this.#sent.total,
      'sink-record-active-count': this.active(),
      'sink-record-active-count-max': this.#active.maximum(nowMs),
      'sink-record-active-count-avg': this.#active.average(nowMs),
      'partition-count': this.partitions(),
      'offset-commit-seq-no': this.#attempts,
      'offset-commit-completion-rate': this.#commits.rate(nowMs),
      'offset-commit-completion-total': this.#commits.total,
      'offset-commit-skip-rate': 0,
      'offset-commit-skip-total': 0,
      'put-batch-avg-time-ms': this.#putTime.average(nowMs),
      'put-batch-max-time-ms': this.#putTime.maximum(nowMs),
    };
  }
}

/** The share of 1 among what was recorded as 1 or 0, or that of 0; without a record Kafka says 0 for both. */
export function shareOf(stat: SampledStat, nowMs: number, options: { others?: boolean } = {}): number {
  const share = stat.average(nowMs);
  if (Number.isNaN(share)) return 0;
  return options.others === true ? 1 - share : share;
}
