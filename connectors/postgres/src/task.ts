// The one task of a Postgres connector: prepares publication and slot, decides what is to be read, and hands out what
// snapshot and stream put into the queue.
import { randomBytes } from 'node:crypto';
import {
  type CommittedOffset,
  type Headers,
  NO_HEADERS,
  offsetMapOf,
  ownerOfPrivate,
  type SourceBatch,
  type SourceOffset,
  type SourcePartition,
  type SourceRecord,
  type SourceTask,
  type SourceTaskContext,
  type TaskActivity,
} from '@millrace/connect-api';
import {
  ChangeQueue,
  contextHeaders,
  Heartbeat,
  PrivateRecords,
  SnapshotProgress,
  SourceLag,
  StreamCounts,
  type StreamingState,
  showSourceMetrics,
  timeOrderedUuid,
} from '@millrace/connector-common';
import { Beginning } from './beginning.ts';
import { CaptureRun } from './capture-run.ts';
import { type PostgresConfig, resolveConfig } from './config.ts';
import { upgradeConfig } from './config-upgrade.ts';
import { betweenOffset, ChangeOffset, confirmablePosition, MarkOffset, parseOffset } from './offset.ts';
import type { Lsn } from './protocol/lsn.ts';
import { showSlotMetrics } from './slot-metrics.ts';
import { StoredMarks } from './stored-marks.ts';
import { UnfinishedChanges } from './unfinished-changes.ts';

const MAX_WAIT_MS = 500;
/** How often a position that only keepalives moved is stored. */
const MARK_INTERVAL_MS = 5000;

export class PostgresSourceTask implements SourceTask {
  #config: PostgresConfig | undefined;
  #context: SourceTaskContext | undefined;
  #queue: ChangeQueue<SourceRecord> | undefined;
  #run: CaptureRun | undefined;
  #heartbeat: Heartbeat | undefined;
  readonly #privates = new PrivateRecords(() => this.#queue?.wake());
  readonly #marks = new StoredMarks();
  #partition: SourcePartition = {};
  /** The offset of the last record handed out, or the stored one. */
  #lastOffset: SourceOffset | undefined;
  #unfinished: UnfinishedChanges | undefined;
  #lastMark: Lsn = 0;
  #lastMarkMs = 0;
  /** An incremental snapshot is in the last position handed out. */
  #incremental = false;
  readonly #lag = new SourceLag();
  readonly #counts = new StreamCounts();
  /** Polls that brought records: what a snapshot is measured by. */
  #handedOn = 0;
  #hideMetrics: (() => void) | undefined;
  #stopped = false;
  /** What the next poll fails with. */
  #failure: { readonly error: unknown } | undefined;

  async start(context: SourceTaskContext): Promise<void> {
    const { config: upgraded, warnings } = upgradeConfig(context.config);
    for (const { key, message } of warnings) context.logger.warn({ key }, message);
    const config = resolveConfig(upgraded);
    this.#context = context;
    this.#config = config;
    this.#unfinished = new UnfinishedChanges(context.clock, context.transactionTimeoutMs);
    this.#partition = Object.freeze({ server: config.topicPrefix });
    const { batch, maxBytes } = config.queue;
    // One batch waits while another is sent: what is further behind waits as bytes, in the socket, where it costs less
    // than records that outlive the nursery.
    const maxRecords = Math.min(batch, config.queue.maxRecords);
    this.#queue = new ChangeQueue({ maxRecords, maxBytes });
    this.#heartbeat = new Heartbeat({
      intervalMs: config.heartbeat.intervalMs,
      topic: config.rules.naming.heartbeatTopic,
      serverName: config.topicPrefix,
      sourcePartition: this.#partition,
      clock: context.clock,
    });
    const beginning = await Beginning.read({
      offsets: context.offsets,
      sourcePartition: this.#partition,
      records: this.#privates,
    });
    const stored = beginning.goesOnFrom(config.snapshot.readData);
    const progress = new SnapshotProgress(context.clock);
    this.#run = new CaptureRun({
      config,
      context,
      queue: this.#queue,
      sourcePartition: this.#partition,
      headers: this.#headers(config, context),
      privates: this.#privates,
      marks: this.#marks,
      beginning,
      progress,
      counts: this.#counts,
      stored,
    });
    this.#hideMetrics = this.#showMetrics(context, { maxRecords, maxBytes }, progress);
    await this.#run.start();
    // An offset that is given up must not be stored again beside what is begun anew.
    const { ofRecords } = beginning;
    if (stored === ofRecords && !this.#run.beginsAnew) this.#lastOffset = ofRecords?.map;
  }

  async poll(signal: AbortSignal): Promise<SourceBatch | null> {
    const { queue, config, heartbeat, run, unfinished } = this.#parts();
    if (this.#failure !== undefined) throw this.#failure.error;
    const kept = this.#privates.take();
    if (kept !== undefined) return { ...kept, unfinished: unfinished.holdTransaction };
    // As in Debezium, it is the stream that beats.
    const untilBeatMs = run.streaming === undefined ? MAX_WAIT_MS : heartbeat.remainingMs();
    const waitMs = Math.min(config.pollIntervalMs, MAX_WAIT_MS, untilBeatMs);
    await queue.wait(waitMs, signal);
    const batches = queue.take(config.queue.batch);
    // Copies arrays as blocks, which flatMap does not.
    const records = new Array<SourceRecord>().concat(...batches.map((batch) => batch.records));
    const last = records.at(-1);
    const { after, unfinished: isUnfinished } = batches.at(-1) ?? {};
    if (isUnfinished !== undefined) unfinished.note(isUnfinished);
    if (last !== undefined) this.#lastOffset = after ?? last.sourceOffset;
    this.#note(last);
    if (run.streaming !== undefined && heartbeat.due()) await this.#beat(records);
    const mark = this.#completedSnapshot(records.length) ?? this.#mark(last !== undefined);
    const offset = mark ?? after;
    const turn = this.#judge();
    if (offset === undefined && records.length === 0 && turn === undefined) return null;
    return {
      records,
      ...(offset === undefined ? {} : { position: { partition: this.#partition, offset } }),
      unfinished: unfinished.holdTransaction,
    };
  }

  #judge(): 'begun' | 'ended' | undefined {
    const { context, run, unfinished } = this.#parts();
    const turn = unfinished.judge(run.streaming?.isBehind === true);
    if (turn === 'begun')
      context.logger.warn(
        { ms: Math.round(unfinished.longestMs) },
        'changes from before an interrupted snapshot went on take longer than a transaction may be open: they are committed as they come, and come again if the task ends before they are through',
      );
    return turn;
  }

  commit(offsets: readonly CommittedOffset[]): Promise<void> {
    this.#privates.stored(offsets);
    const mine = offsets.find(({ partition }) => ownerOfPrivate(partition) === undefined);
    if (mine !== undefined) {
      this.#run?.offsetStored();
      this.#marks.stored(mine.offset);
    }
    const stored = mine === undefined ? undefined : parseOffset(mine.offset);
    // INV-1: the slot moves to what is durable in the offsets topic, and no further.
    if (stored !== undefined && this.#config?.confirms) this.#run?.confirm(confirmablePosition(stored));
    return Promise.resolve();
  }

  activity(): TaskActivity | null {
    const activity = this.#run?.activity ?? null;
    // A reader that waits for room is not what stands still.
    if (activity === null || this.#queue?.isFull === true) return null;
    return { ...activity, progress: `${activity.progress}/${this.#handedOn}` };
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#hideMetrics?.();
    await this.#run?.stop();
  }

  /** Once a poll: what lag and progress are told from. */
  #note(last: SourceRecord | undefined): void {
    const { clock } = this.#parts().context;
    if (last !== undefined) {
      this.#handedOn++;
      const offset = last.sourceOffset;
      const now = clock.nowMs();
      this.#lag.handedOn(offset instanceof ChangeOffset ? offset.transaction.commitTimeUs / 1000 : now, now);
    }
    if (this.#isCaughtUp()) this.#lag.caughtUp(clock.nowMs());
  }

  #isCaughtUp(): boolean {
    return this.#queue?.isEmpty === true && this.#run?.caughtUp === true;
  }

  #showMetrics(
    { metrics, taskId }: SourceTaskContext,
    limits: { readonly maxRecords: number; readonly maxBytes: number },
    progress: SnapshotProgress,
  ): () => void {
    const source = { plugin: 'postgres', name: this.#config?.topicPrefix ?? '' };
    const hide = [
      showSourceMetrics({
        ...source,
        ...limits,
        metrics,
        task: taskId,
        state: () => this.#streamingState(),
        counts: this.#counts,
        lag: this.#lag,
        progress,
      }),
      showSlotMetrics(metrics, { ...source, task: String(taskId) }, () => this.#run?.streaming, this.#counts),
    ];
    return () => {
      for (const each of hide) each();
    };
  }

  #streamingState(): StreamingState {
    const { queue, run, context } = this.#parts();
    const now = context.clock.nowMs();
    const readLsn = run.streaming?.readLsn;
    return {
      connected: run.connected,
      behindMs: this.#lag.behindMs(now, this.#isCaughtUp()),
      sinceLastEventMs: this.#lag.sinceLastEventMs(now),
      queuedRecords: queue.recordCount,
      queuedBytes: queue.byteCount,
      position: readLsn === undefined ? {} : { lsn: Number(readLsn) },
      lagBytes: run.caughtUp ? 0 : run.streaming?.lagBytes,
    };
  }

  async #beat(records: SourceRecord[]): Promise<void> {
    const { run, heartbeat } = this.#parts();
    try {
      await run.heartbeatAction();
    } catch (error) {
      // What is here already goes first.
      if (records.length === 0) throw error;
      this.#failure = { error };
      return;
    }
    const offset = this.#heartbeatOffset();
    if (offset === undefined) return;
    this.#lastOffset = offset;
    records.push(heartbeat.record(offset));
  }

  /** Where a heartbeat stands: at the end of the last transaction when all of it was handed out. */
  #heartbeatOffset(): SourceOffset | undefined {
    const { queue, run } = this.#parts();
    const last = this.#lastOffset ?? run.beginning;
    if (last === undefined) return undefined;
    const complete = queue.isEmpty ? run.streaming?.completeOffset : undefined;
    return complete ?? afterSnapshot(last);
  }

  /**
   * The position reached where that is further than the last record: after the commit of the last transaction, or
   * after what the server said it has passed with nothing for us.
   */
  #mark(hasRecords: boolean): SourceOffset | undefined {
    const { queue, run, context, unfinished } = this.#parts();
    const base = this.#lastOffset;
    if (base === undefined || !queue.isEmpty) return undefined;
    const lsn = run.streaming?.completeLsn;
    if (lsn === undefined) return undefined;
    const incremental = run.streaming?.incrementalState;
    const ended = incremental === undefined && this.#incremental;
    const isForced = ended || this.#marks.isAsked;
    if (lsn <= this.#lastMark && !isForced) return undefined;
    this.#incremental = incremental !== undefined;
    const now = context.clock.monotonicMs();
    if (!isForced && !hasRecords && now - this.#lastMarkMs < MARK_INTERVAL_MS && !run.isDue(this.#lastMark))
      return undefined;
    this.#lastMark = lsn;
    this.#lastMarkMs = now;
    const mark = new MarkOffset(base, lsn, incremental);
    this.#lastOffset = mark;
    this.#marks.handedOut(mark);
    // INV-7: what the stream was behind with does not come again from there, so that a transaction may end.
    if (run.streaming?.isBehind === true) unfinished.note(false);
    run.streaming?.handedOut(lsn, mark);
    return mark;
  }

  /** Once: the offset of a snapshot that found no row, unless changes have carried the position further already. */
  #completedSnapshot(recordCount: number): SourceOffset | undefined {
    const { queue, run } = this.#parts();
    if (!queue.isEmpty) return undefined;
    const offset = run.takeCompletedSnapshot();
    if (offset === undefined || recordCount > 0) return undefined;
    this.#lastOffset = offset;
    return offset;
  }

  #headers(config: PostgresConfig, context: SourceTaskContext): Headers {
    if (!config.contextHeaders) return NO_HEADERS;
    return contextHeaders({
      logicalName: config.topicPrefix,
      taskId: context.taskId,
      connectorKind: 'postgresql',
      runId: timeOrderedUuid(context.clock.nowMs(), randomBytes(10)),
    });
  }

  #parts(): {
    readonly config: PostgresConfig;
    readonly context: SourceTaskContext;
    readonly queue: ChangeQueue<SourceRecord>;
    readonly run: CaptureRun;
    readonly heartbeat: Heartbeat;
    readonly unfinished: UnfinishedChanges;
  } {
    const config = this.#config;
    const context = this.#context;
    const queue = this.#queue;
    const run = this.#run;
    const heartbeat = this.#heartbeat;
    const unfinished = this.#unfinished;
    if (!config || !context || !queue || !run || !heartbeat || !unfinished)
      throw new Error('the task was not started');
    return { config, context, queue, run, heartbeat, unfinished };
  }
}

/** Where a heartbeat stands that comes after a snapshot and before any change. */
function afterSnapshot(offset: SourceOffset): SourceOffset {
  if (offset instanceof ChangeOffset) return offset;
  const map = offsetMapOf(offset);
  return map['snapshot_completed'] === true ? betweenOffset(map) : offset;
}
