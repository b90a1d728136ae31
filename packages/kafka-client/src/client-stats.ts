// What a client counts of its connections and of its membership in a group, under no names yet: whoever shows it has
// Kafka's.
import { SampledStat } from '@millrace/foundation';

/** Counted by all connections of a `Cluster` together. */
export class ConnectionStats {
  opened = 0;
  closed = 0;
  requests = 0;
  responses = 0;
  bytesIn = 0;
  bytesOut = 0;
}

/** One kind of event: how often, and how long it took lately. */
export class EventTimes {
  count = 0;
  totalMs = 0;
  readonly recent: SampledStat = new SampledStat();
  /** When it was last, on the clock of the client; undefined before the first. */
  lastMs: number | undefined;

  add(tookMs: number, nowMs: number): void {
    this.count++;
    this.totalMs += tookMs;
    this.lastMs = nowMs;
    this.recent.record(tookMs, nowMs);
  }
}

/** What a member of a group has been through. */
export class GroupStats {
  readonly heartbeats: EventTimes = new EventTimes();
  readonly joins: EventTimes = new EventTimes();
  readonly syncs: EventTimes = new EventTimes();
  /** From the begin of a join to the assignment. */
  readonly rebalances: EventTimes = new EventTimes();
  readonly failedRebalances: EventTimes = new EventTimes();
}
