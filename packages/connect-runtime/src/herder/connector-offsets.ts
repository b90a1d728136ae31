// Offsets of connectors over REST: read, altered and reset. Those of sources live in the offsets topic, those of sinks
// are the committed offsets of their consumer group.
import { isDeepStrictEqual } from 'node:util';
import type {
  ConnectorOffset,
  ConnectorPlugin,
  JsonValue,
  OffsetMap,
  SourceConnectorPlugin,
  SourcePartition,
} from '@millrace/connect-api';
import { ownerOfPrivate } from '@millrace/connect-api';
import type { Json } from '@millrace/data';
import type { Clock, RawConfig } from '@millrace/foundation';
import { type Admin, kafkaCodeOf } from '@millrace/kafka-client';
import { connectError } from '../errors.ts';
import type { ConnectorOffsetStore, ConnectorOffsetStores } from '../stores/connector-offset-stores.ts';
import { jsonValue } from '../stores/offset-records.ts';
import type { OffsetChange } from './herder-api.ts';

export interface ConnectorOffsetsParts {
  readonly stores: ConnectorOffsetStores;
  readonly admin: Admin;
  readonly clock: Clock;
}

/** Answers of a group that somebody is still a member of, from the names of Kafka's errors. */
const STILL_USED: readonly number[] = [
  25, // UNKNOWN_MEMBER_ID
  27, // REBALANCE_IN_PROGRESS
  68, // NON_EMPTY_GROUP
  86, // GROUP_SUBSCRIBED_TO_TOPIC
];
/** Tasks that were told to stop end within that time, on whatever worker they are. */
const ENDING_MS = 10_000;
const LOOK_MS = 100;

const ALTERED = 'The offsets for this connector have been altered successfully';
const RESET = 'The offsets for this connector have been reset successfully';
const UNSUPPORTED =
  'The Connect framework-managed offsets for this connector have been %s successfully. However, if this connector manages offsets externally, they will need to be manually %s in the system that the connector uses.';

/** The consumer group of a sink. */
export function sinkGroupId(connector: string, config: RawConfig): string {
  return config['consumer.override.group.id'] ?? `connect-${connector}`;
}

export class ConnectorOffsetsService {
  readonly #parts: ConnectorOffsetsParts;

  constructor(parts: ConnectorOffsetsParts) {
    this.#parts = parts;
  }

  async list(name: string, plugin: ConnectorPlugin, config: RawConfig): Promise<ConnectorOffset[]> {
    if (plugin.kind === 'source') {
      const stored = await this.#with(name, config, (store) => store.list());
      return stored.filter(({ partition }) => ownerOfPrivate(partition) === undefined);
    }
    const committed = await this.#parts.admin.fetchGroupOffsets(sinkGroupId(name, config));
    return committed
      .filter(({ offset }) => offset >= 0)
      .map(({ topic, partition, offset }) => ({
        partition: { kafka_partition: partition, kafka_topic: topic },
        offset: { kafka_offset: offset },
      }));
  }

  async alter(
    name: string,
    plugin: ConnectorPlugin,
    config: RawConfig,
    changes: readonly OffsetChange[],
  ): Promise<string> {
    if (plugin.kind === 'sink') {
      await this.#alterSink(name, config, changes.map(sinkChange));
      return ALTERED;
    }
    const asked = changes.map(({ partition, offset }) => ({
      partition: plainValues(partition),
      offset: plainValues(offset),
    }));
    const handled = await this.#askConnector(plugin, config, asked);
    // Connect takes a tombstone for no partition, which changes nothing.
    const offsets = asked.flatMap(({ partition, offset }) => {
      if (partition !== null) return [{ partition, offset }];
      if (offset === null) return [];
      throw connectError('connect.bad_request', 'The partition of an offset may not be null');
    });
    await this.#with(name, config, async (store) => {
      // What a task noted beside an offset does not hold for one that is given by hand. It goes first: an old note
      // beside a new offset would be believed.
      await store.put(await privateOf(store, offsets));
      await store.put(offsets);
    });
    return handled ? ALTERED : UNSUPPORTED.replaceAll('%s', 'altered');
  }

  async reset(name: string, plugin: ConnectorPlugin, config: RawConfig): Promise<string> {
    if (plugin.kind === 'sink') {
      await this.#resetSink(name, config);
      return RESET;
    }
    const handled = await this.#with(name, config, async (store) => {
      const offsets = (await store.list()).map(({ partition }) => ({ partition, offset: null }));
      const shown = offsets.filter(({ partition }) => ownerOfPrivate(partition) === undefined);
      const answer = await this.#askConnector(plugin, config, shown);
      await store.put(offsets);
      return answer;
    });
    return handled ? RESET : UNSUPPORTED.replaceAll('%s', 'reset');
  }

  async #with<T>(
    name: string,
    config: RawConfig,
    work: (store: ConnectorOffsetStore) => Promise<T>,
  ): Promise<T> {
    const store = await this.#parts.stores.open(name, config);
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }

  async #askConnector(
    plugin: SourceConnectorPlugin,
    config: RawConfig,
    offsets: readonly { readonly partition: SourcePartition | null; readonly offset: OffsetMap | null }[],
  ): Promise<boolean> {
    if (!plugin.alterOffsets) return false;
    try {
      return await plugin.alterOffsets(config, [...offsets]);
    } catch (error) {
      throw connectError('connect.rest_internal', (error as Error).message, { cause: error });
    }
  }

  async #alterSink(name: string, config: RawConfig, changes: readonly SinkChange[]): Promise<void> {
    const { admin } = this.#parts;
    const groupId = sinkGroupId(name, config);
    const set = changes.flatMap(({ topic, partition, offset }) =>
      offset === null ? [] : [{ topic, partition, offset }],
    );
    const removed = changes.filter(({ offset }) => offset === null);
    if (set.some(({ offset }) => offset < 0)) {
      throw connectError('connect.rest_internal', `Failed to modify offsets for sink connector ${name}`);
    }
    try {
      if (set.length > 0) await this.#onceEmpty(() => admin.alterGroupOffsets(groupId, set));
      if (removed.length > 0) await this.#onceEmpty(() => admin.deleteGroupOffsets(groupId, removed));
    } catch (error) {
      throw connectError(
        'connect.rest_internal',
        `Failed to alter consumer group offsets for connector ${name}`,
        {
          cause: error,
        },
      );
    }
  }

  /** Tries again while tasks that have been stopped are still members of the group. */
  async #onceEmpty(change: () => Promise<void>): Promise<void> {
    const { clock } = this.#parts;
    const until = clock.monotonicMs() + ENDING_MS;
    for (;;) {
      try {
        await change();
        return;
      } catch (error) {
        const code = kafkaCodeOf(error);
        if (code === undefined || !STILL_USED.includes(code) || clock.monotonicMs() >= until) throw error;
        await clock.sleep(LOOK_MS);
      }
    }
  }

  async #resetSink(name: string, config: RawConfig): Promise<void> {
    try {
      await this.#onceEmpty(() => this.#parts.admin.deleteGroups([sinkGroupId(name, config)]));
    } catch (error) {
      throw connectError(
        'connect.rest_internal',
        `Failed to reset consumer group offsets for connector ${name}`,
        {
          cause: error,
        },
      );
    }
  }
}

/** Tombstones for what lies beside these partitions. */
async function privateOf(
  store: ConnectorOffsetStore,
  changed: readonly { readonly partition: SourcePartition }[],
): Promise<{ readonly partition: SourcePartition; readonly offset: null }[]> {
  const stored = await store.list();
  return stored.flatMap(({ partition }) => {
    const owner = ownerOfPrivate(partition);
    const gone = owner !== undefined && changed.some((one) => isDeepStrictEqual({ ...one.partition }, owner));
    return gone ? [{ partition, offset: null }] : [];
  });
}

function plainValues(values: OffsetChange['offset']): Record<string, JsonValue> | null {
  if (values === null) return null;
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, jsonValue(value as Json)]));
}

interface SinkChange {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number | null;
}

function sinkChange({ partition, offset }: OffsetChange): SinkChange {
  const bad = (message: string): never => {
    throw connectError('connect.bad_request', message);
  };
  if (partition === null) return bad('The partition for a sink connector offset cannot be null or missing');
  if (!('kafka_topic' in partition) || !('kafka_partition' in partition)) {
    return bad(
      "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'",
    );
  }
  const topic = partition['kafka_topic'];
  if (topic === null) return bad('Kafka topic names must be valid strings and may not be null');
  const number = integerOf(partition['kafka_partition'], 2 ** 31);
  if (number === undefined) {
    return bad(
      `Failed to parse the following Kafka partition value in the provided offsets: '${String(partition['kafka_partition'])}'. Partition values for sink connectors need to be integers.`,
    );
  }
  if (offset === null) return { topic: String(topic), partition: number, offset: null };
  if (!('kafka_offset' in offset)) {
    return bad("The offset for a sink connector should either be null or contain the key 'kafka_offset'");
  }
  const position = integerOf(offset['kafka_offset'], Number.MAX_SAFE_INTEGER);
  if (position === undefined) {
    return bad(
      `Failed to parse the following Kafka offset value in the provided offsets: '${String(offset['kafka_offset'])}'. Offset values for sink connectors need to be integers.`,
    );
  }
  return { topic: String(topic), partition: number, offset: position };
}

function integerOf(value: unknown, limit: number): number | undefined {
  const text = String(value);
  if (!/^-?\d{1,16}$/.test(text)) return undefined;
  const number = Number(text);
  return Math.abs(number) <= limit ? number : undefined;
}
