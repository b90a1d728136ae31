// Notifications: records in a topic of their own, and lines in the log, that say how snapshots
// get on.
import { type SourceOffset, type SourcePartition, SourceRecord } from '@millrace/connect-api';
import { ArrayStruct, INT64, mapSchema, type Schema, STRING, structSchema } from '@millrace/data';
import type { Clock, Logger } from '@millrace/foundation';

const KEY: Schema = structSchema([['id', STRING]], {
  name: 'io.debezium.connector.common.NotificationKey',
  version: 1,
});
const VALUE: Schema = structSchema(
  [
    ['id', STRING],
    ['type', STRING],
    ['aggregate_type', STRING],
    ['additional_data', mapSchema(STRING, STRING, { optional: true })],
    ['timestamp', INT64],
  ],
  { name: 'io.debezium.connector.common.Notification', version: 1 },
);

export type NotificationAggregate = 'Initial Snapshot' | 'Incremental Snapshot';
export type NotificationType =
  | 'STARTED'
  | 'IN_PROGRESS'
  | 'TABLE_SCAN_COMPLETED'
  | 'COMPLETED'
  | 'ABORTED'
  | 'SKIPPED'
  | 'PAUSED'
  | 'RESUMED';

export interface Notification {
  readonly aggregate: NotificationAggregate;
  readonly type: NotificationType;
  readonly data?: Readonly<Record<string, string>>;
  /** The signal that asked for it; a random UUID when there was none. */
  readonly id?: string;
}

export interface NotificationsOptions {
  /** `notification.enabled.channels`. */
  readonly channels: readonly string[];
  /** Of the channel `sink`. */
  readonly topic: string | undefined;
  readonly connectorName: string;
  readonly sourcePartition: SourcePartition;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly randomId: () => string;
}

export class Notifications {
  readonly #options: NotificationsOptions;
  readonly #channels: ReadonlySet<string>;

  constructor(options: NotificationsOptions) {
    this.#options = options;
    this.#channels = new Set(options.channels.map((channel) => channel.trim().toLowerCase()));
  }

  /** Makes the record of a notification, when they go to a topic, with the offset it is to carry. */
  record(notification: Notification, sourceOffset: SourceOffset): SourceRecord | undefined {
    const { topic, sourcePartition, connectorName, clock, logger, randomId } = this.#options;
    const { aggregate, type } = notification;
    const data = new Map([['connector_name', connectorName], ...Object.entries(notification.data ?? {})]);
    if (this.#channels.has('log')) {
      logger.info({ aggregate, type, ...Object.fromEntries(data) }, 'notification');
    }
    if (!this.#channels.has('sink') || topic === undefined) return undefined;
    const id = notification.id ?? randomId();
    return new SourceRecord({
      sourcePartition,
      sourceOffset,
      topic,
      keySchema: KEY,
      key: new ArrayStruct(KEY, [id]),
      valueSchema: VALUE,
      value: new ArrayStruct(VALUE, [id, type, aggregate, data, clock.nowMs()]),
    });
  }
}
