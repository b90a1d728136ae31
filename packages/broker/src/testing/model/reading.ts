// Reads a partition from start to end as a consumer does, and holds what it gets against the ledger.
import { readBatchHeader, readRecords } from '@millrace/kafka-protocol';
import { readMarker } from '../../log/control-batch.ts';
import type { TestClient } from '../test-client.ts';
import { type Ledger, type ModelLog, must, mustAnswer, type SentRecord } from './ledger.ts';

const OUT_OF_RANGE = 1;

export type Isolation = 0 | 1;

interface Pass {
  readonly start: number;
  /** Offset behind the last batch. */
  readonly end: number;
  readonly visible: ReadonlyMap<number, SentRecord>;
}

/** First, last stable and end offset, by ListOffsets; none may be behind one that was told before. */
export async function readEnds(client: TestClient, ledger: Ledger, log: ModelLog): Promise<number[]> {
  const before = { ...log };
  const found: number[] = [];
  for (const [timestamp, isolationLevel] of [
    [-2, 0],
    [-1, 1],
    [-1, 0],
  ] as const) {
    const answer = await client.send('ListOffsets', 7, {
      replicaId: -1,
      isolationLevel,
      topics: [{ name: log.topic, partitions: [{ partitionIndex: log.partition, timestamp }] }],
    });
    const result = answer.topics[0]?.partitions[0];
    mustAnswer(result?.errorCode, () => `ListOffsets of ${log.topic}-${log.partition}`);
    found.push(Number(result?.offset));
  }
  const [start = -1, stable = -1, end = -1] = found;
  note(ledger, log, before, { start, stable, end });
  return found;
}

/** Notes offsets that an answer gave; `before` is what was told when its request was sent. */
function note(
  ledger: Ledger,
  log: ModelLog,
  before: { start: number; stable: number; highWatermark: number },
  now: { start: number; stable: number; end: number },
): void {
  const where = `${log.topic}-${log.partition}`;
  must(now.end >= before.highWatermark, () => `${where} ends at ${now.end}, told ${before.highWatermark}`);
  must(now.stable >= before.stable, () => `${where} is stable to ${now.stable}, told ${before.stable}`);
  must(now.start >= before.start, () => `${where} starts at ${now.start}, told ${before.start}`);
  must(now.stable <= now.end && now.start <= now.end, () => `${where} ${JSON.stringify(now)}`);
  if (log.kind !== 'retained') {
    must(now.start <= log.deletedAsked, () => `${where} starts at ${now.start}, asked ${log.deletedAsked}`);
  }
  ledger.raiseEnd(log, now.end);
  // A start that no answer to DeleteRecords gave may go back, and with it what is only stable for being deleted.
  if (now.stable > now.start) log.stable = Math.max(log.stable, now.stable);
}

/** Reads everything and checks it; again from the front when the start moves on underneath. */
export async function checkLog(
  client: TestClient,
  ledger: Ledger,
  log: ModelLog,
  isolation: Isolation,
): Promise<void> {
  for (;;) {
    const [start = 0] = await readEnds(client, ledger, log);
    const known = new Map(log.at);
    const decided = new Map([...ledger.transactions].map((each) => [each, each.outcome]));
    const pass = await readPass(client, ledger, log, isolation, start);
    if (!pass) continue;
    const where = `${log.topic}-${log.partition}`;
    for (const [offset, record] of known) {
      if (offset < pass.start || (isolation === 1 && offset >= pass.end)) continue;
      const outcome = record.transaction && decided.get(record.transaction);
      if (isolation === 1 && outcome !== undefined && outcome !== 'committed') continue;
      if (log.kind === 'compacted' && isSuperseded(record, log)) continue;
      must(pass.visible.get(offset) === record, () => {
        return `${where} ${offset} does not have ${record.id} (${outcome ?? 'plain'}) at isolation ${isolation}, read ${pass.start} to ${pass.end}`;
      });
    }
    return;
  }
}

/** Whether a cleaner may have taken a record: another of its key comes behind it, or it is a deletion. */
function isSuperseded(record: SentRecord, log: ModelLog): boolean {
  if (record.value === null || record.transaction?.outcome === 'aborted') return true;
  if (record.transaction && record.transaction.outcome !== 'committed') return true;
  for (const other of log.sent.values()) {
    if (other.key !== record.key || other.order <= record.order || other.refused) continue;
    if (other.transaction?.outcome === 'aborted') continue;
    // A deletion goes, too, and may never have been seen.
    if (other.offset !== undefined || other.value === null) return true;
  }
  return false;
}

/** Undefined when the broker deleted what was to be read next. */
async function readPass(
  client: TestClient,
  ledger: Ledger,
  log: ModelLog,
  isolation: Isolation,
  start: number,
): Promise<Pass | undefined> {
  const visible = new Map<number, SentRecord>();
  const ids = new Set<string>();
  const orders = new Map<string, number>();
  const where = `${log.topic}-${log.partition}`;
  let at = start;
  for (;;) {
    const before = { ...log };
    const partitions = [
      { partition: log.partition, fetchOffset: at, partitionMaxBytes: 1 << 20, currentLeaderEpoch: -1 },
    ];
    const answer = await client.send('Fetch', 12, {
      replicaId: -1,
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1 << 20,
      isolationLevel: isolation,
      sessionEpoch: -1,
      topics: [{ topic: log.topic, partitions }],
    });
    const result = answer.responses[0]?.partitions[0];
    if (result?.errorCode === OUT_OF_RANGE && (log.kind === 'retained' || log.deletedAsked > at))
      return undefined;
    mustAnswer(result?.errorCode, () => `Fetch of ${where} at ${at}`);
    if (!result) return undefined;
    const stable = Number(result.lastStableOffset);
    const end = Number(result.highWatermark);
    note(ledger, log, before, { start: Number(result.logStartOffset), stable, end });
    const bytes = result.records ?? Buffer.alloc(0);
    if (bytes.length === 0) {
      const target = isolation === 1 ? stable : end;
      must(at >= target || log.kind === 'compacted', () => `${where} gives nothing at ${at} of ${target}`);
      if (at < target) at = target;
      return { start, end: at, visible };
    }
    const waiting = [...(result.abortedTransactions ?? [])]
      .map(({ producerId, firstOffset }) => ({ producerId: Number(producerId), first: Number(firstOffset) }))
      .sort((a, b) => a.first - b.first);
    const aborting = new Set<number>();
    for (let position = 0; position + 61 <= bytes.length; ) {
      const header = readBatchHeader(bytes, position);
      if (position + header.sizeInBytes > bytes.length) break;
      const last = header.baseOffset + header.lastOffsetDelta;
      if (at > start || header.baseOffset > at) {
        const fits = header.baseOffset === at || (log.kind === 'compacted' && header.baseOffset > at);
        must(fits, () => `${where} goes on at ${header.baseOffset} behind ${at}`);
      }
      must(
        last < (isolation === 1 ? stable : end),
        () => `${where} gives ${last}, stable ${stable}, end ${end}`,
      );
      while (waiting[0] && waiting[0].first <= last) aborting.add(waiting.shift()?.producerId ?? -1);
      const batch = bytes.subarray(position, position + header.sizeInBytes);
      position += header.sizeInBytes;
      at = last + 1;
      if (header.attributes & 0x20) {
        if (readMarker(batch, header)?.commit === false) aborting.delete(header.producerId);
        continue;
      }
      const isAborted = (header.attributes & 0x10) !== 0 && aborting.has(header.producerId);
      for (const found of readRecords(batch, 0, header)) {
        if (found.offset < start) continue;
        const record = identify(log, found);
        must(!ids.has(record.id), () => `${where} has ${record.id} twice, again at ${found.offset}`);
        ids.add(record.id);
        const order = orders.get(record.stream) ?? -1;
        must(record.order > order, () => `${where} ${found.offset}: ${record.id} is out of order`);
        orders.set(record.stream, record.order);
        ledger.place(record, found.offset);
        if (isolation === 1 && record.transaction) checkVisibility(ledger, record, isAborted);
        if (!isAborted) visible.set(found.offset, record);
      }
    }
  }
}

/** What a read_committed reader sees, or sees marked as aborted, decides how its transaction ended. */
function checkVisibility(ledger: Ledger, record: SentRecord, isAborted: boolean): void {
  const { transaction } = record;
  if (!transaction) return;
  must(
    transaction.outcome !== 'open' || isAborted,
    () => `${record.id} of open ${transaction.name} can be read`,
  );
  must(
    transaction.outcome !== 'open' || transaction.mayTimeOut,
    () => `${transaction.name} was ended by nobody`,
  );
  const outcome = isAborted ? 'aborted' : 'committed';
  must(
    transaction.outcome === outcome || transaction.outcome.endsWith('asked') || transaction.mayTimeOut,
    () => {
      const { topic, partition } = record.log;
      return `${record.id} of ${transaction.name}, ${transaction.outcome}, is ${outcome} at ${topic}-${partition} ${record.offset}`;
    },
  );
  ledger.decide(transaction, outcome);
}

function identify(log: ModelLog, found: ReturnType<typeof readRecords>[number]): SentRecord {
  const id = found.headers.find(({ key }) => key === 'id')?.value?.toString() ?? '';
  const record = log.sent.get(id);
  must(
    record !== undefined,
    () => `${log.topic}-${log.partition} ${found.offset} holds ${id}, which nobody sent`,
  );
  const value = found.value === null ? null : found.value.toString().trimEnd();
  const same = value === record.value && found.key?.toString() === record.key;
  must(same, () => `${id} is ${found.key?.toString()}=${value}, sent as ${record.key}=${record.value}`);
  return record;
}
