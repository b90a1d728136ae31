// Heartbeat records: they carry the current offset, so that it moves while no table changes.
import { type SourceOffset, type SourcePartition, SourceRecord } from '@millrace/connect-api';
import { ArrayStruct, INT64, type Schema, STRING, structSchema } from '@millrace/data';
import type { Clock } from '@millrace/foundation';

const KEY: Schema = structSchema([['serverName', STRING]], {
  name: 'io.debezium.connector.common.ServerNameKey',
  version: 1,
});
const VALUE: Schema = structSchema([['ts_ms', INT64]], {
  name: 'io.debezium.connector.common.Heartbeat',
  version: 1,
});

export interface HeartbeatOptions {
  readonly intervalMs: number;
  readonly topic: string;
  readonly serverName: string;
  readonly sourcePartition: SourcePartition;
  readonly clock: Clock;
}

/** Says when a heartbeat is due, and makes it. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #nextMs: number;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#nextMs = options.clock.monotonicMs() + options.intervalMs;
  }

  get enabled(): boolean {
    return this.#options.intervalMs > 0;
  }

  /** True once per interval. */
  due(): boolean {
    const { clock, intervalMs } = this.#options;
    if (intervalMs <= 0 || clock.monotonicMs() < this.#nextMs) return false;
    this.#nextMs = clock.monotonicMs() + intervalMs;
    return true;
  }

  /** Milliseconds until the next one is due; Infinity when there are none. */
  remainingMs(): number {
    const { clock, intervalMs } = this.#options;
    return intervalMs <= 0 ? Number.POSITIVE_INFINITY : Math.max(0, this.#nextMs - clock.monotonicMs());
  }

  record(sourceOffset: SourceOffset): SourceRecord {
    const { sourcePartition, topic, serverName, clock } = this.#options;
    return new SourceRecord({
      sourcePartition,
      sourceOffset,
      topic,
      kafkaPartition: 0,
      keySchema: KEY,
      key: new ArrayStruct(KEY, [serverName]),
      valueSchema: VALUE,
      value: new ArrayStruct(VALUE, [clock.nowMs()]),
    });
  }
}
