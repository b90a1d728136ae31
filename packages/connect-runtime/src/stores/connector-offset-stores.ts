// Where the offsets of each source connector are: in the worker's topic, or in one of the connector's own beside it
// (`offsets.storage.topic`, or because its records go to other brokers), which then counts first.
import type { OffsetMap, SourcePartition } from '@millrace/connect-api';
import { type Clock, type Logger, type RawConfig, toError } from '@millrace/foundation';
import { Admin, Cluster, TransactionalProducer } from '@millrace/kafka-client';
import {
  bootstrapServersOf,
  type ClientSpec,
  hasOwnAdmin,
  ownOffsetsTopic,
  producesToOthers,
  securityOf,
  transactionalIdOf,
} from '../task/client-settings.ts';
import type { OffsetsPlace, TaskSettings } from '../task/task-runner.ts';
import { logOpener } from '../topic-log.ts';
import { offsetKey, offsetValue } from './offset-records.ts';
import { OffsetStore, type StoredOffset } from './offset-store.ts';

/** INV-6: brokers of a connector that cannot be reached hold up its own tasks, and those not for long. */
const OTHERS_TIMEOUT_MS = 20_000;

export interface ConnectorOffsetStoresOptions {
  /** The store of the worker's topic. */
  readonly worker: OffsetStore;
  readonly settings: TaskSettings;
  /** Of the worker's brokers. */
  readonly clusterId: () => Promise<string>;
  /** Of topics that connectors have for themselves. */
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The offsets of one connector. Whoever opened it closes it. */
export interface ConnectorOffsetStore {
  readonly place: OffsetsPlace;
  /** The stored offset, with everything that was written before the call. */
  offset(partition: SourcePartition): Promise<OffsetMap | null>;
  /** All of them, with everything that was written before the call. */
  list(): Promise<StoredOffset[]>;
  /** Stores offsets of a connector without tasks; null removes one. */
  put(changes: readonly OffsetToStore[]): Promise<void>;
  close(): Promise<void>;
}

export interface OffsetToStore {
  readonly partition: SourcePartition;
  readonly offset: OffsetMap | null;
}

/** A topic that connectors of this worker read their offsets from. */
interface OwnStore {
  readonly store: OffsetStore;
  readonly clusters: readonly Cluster[];
  /** Whether it is the worker's topic after all, by another address. */
  readonly isWorkers: boolean;
}

export class ConnectorOffsetStores {
  readonly #options: ConnectorOffsetStoresOptions;
  /** By cluster, identity and topic; connectors share them. */
  readonly #own = new Map<string, { readonly opened: Promise<OwnStore>; users: number }>();

  constructor(options: ConnectorOffsetStoresOptions) {
    this.#options = options;
  }

  /** @throws kafka.unreachable and others, when the connector's own topic cannot be read */
  async open(connector: string, connectorConfig: RawConfig): Promise<ConnectorOffsetStore> {
    const { worker, settings } = this.#options;
    const spec: ClientSpec = { settings, connectorConfig };
    const topic = settings.offsetsTopic === null ? null : (ownOffsetsTopic(spec) ?? settings.offsetsTopic);
    const isAsked = ownOffsetsTopic(spec) !== undefined || settings.exactlyOnce;
    const base = { connector, spec, worker, exactlyOnce: settings.exactlyOnce, parts: this.#options };
    // As in Connect, the connectors of a standalone worker have no topics of their own for offsets.
    if (topic === null || !isAsked || (topic === settings.offsetsTopic && !producesToOthers(spec))) {
      return new OpenStore({ ...base, place: { topic: settings.offsetsTopic, own: false }, own: null });
    }
    const servers = bootstrapServersOf(spec, 'producer');
    const key = JSON.stringify([servers, securityOf(spec, 'producer'), topic]);
    const known = this.#own.get(key);
    const shared = known ?? { opened: this.#openOwn(spec, topic, () => forget()), users: 0 };
    // Whoever opens it after it broke gets a new one.
    const forget = (): void => {
      if (this.#own.get(key) === shared) this.#own.delete(key);
    };
    this.#own.set(key, shared);
    shared.users++;
    const close = async (): Promise<void> => {
      if (--shared.users > 0) return;
      forget();
      const own = await shared.opened.catch(() => null);
      await own?.store.close();
      for (const cluster of own?.clusters ?? []) await cluster.close();
    };
    try {
      const { store, isWorkers } = await shared.opened;
      return new OpenStore({ ...base, place: { topic, own: !isWorkers }, own: { store, close } });
    } catch (error) {
      await close();
      throw error;
    }
  }

  async #openOwn(spec: ClientSpec, topic: string, onBroken: () => void): Promise<OwnStore> {
    const { settings, clock, logger, partitions, replicationFactor, clusterId } = this.#options;
    const clusters: Cluster[] = [];
    const connect = (kind: 'producer' | 'admin'): Cluster => {
      const cluster = clusterOf(spec, kind, { clock, logger });
      clusters.push(cluster);
      return cluster;
    };
    const cluster = connect('producer');
    const admin = new Admin(hasOwnAdmin(spec) ? connect('admin') : cluster);
    const store = new OffsetStore({
      topic,
      partitions,
      replicationFactor,
      openLog: logOpener({ cluster, admin, logger, clock }),
      onError: (error) => {
        logger.warn({ err: error, topic }, "a connector's offsets cannot be followed any more");
        onBroken();
      },
    });
    try {
      await store.start();
      // A copy beside the original would take offsets back.
      const isWorkers = topic === settings.offsetsTopic && cluster.clusterId === (await clusterId());
      return { store, clusters, isWorkers };
    } catch (error) {
      await store.close();
      for (const each of clusters) await each.close();
      throw error;
    }
  }
}

interface OpenStoreParts {
  readonly connector: string;
  readonly spec: ClientSpec;
  readonly place: OffsetsPlace;
  readonly worker: OffsetStore;
  readonly own: { readonly store: OffsetStore; readonly close: () => Promise<void> } | null;
  readonly exactlyOnce: boolean;
  readonly parts: Pick<ConnectorOffsetStoresOptions, 'clock' | 'logger'>;
}

class OpenStore implements ConnectorOffsetStore {
  readonly place: OffsetsPlace;
  readonly #parts: OpenStoreParts;
  #closed = false;

  constructor(parts: OpenStoreParts) {
    this.place = parts.place;
    this.#parts = parts;
  }

  async offset(partition: SourcePartition): Promise<OffsetMap | null> {
    const { own, worker, connector } = this.#parts;
    const first = await own?.store.offset(connector, partition);
    // As in Connect: what is not in the connector's topic may be in the worker's, from before it had one.
    return first ?? (await worker.offset(connector, partition));
  }

  async list(): Promise<StoredOffset[]> {
    const { own, worker, connector } = this.#parts;
    const known = new Map<string, StoredOffset>();
    for (const stored of [worker, ...(own ? [own.store] : [])]) {
      for (const entry of await stored.list(connector)) {
        known.set(offsetKey(connector, entry.partition).toString(), entry);
      }
    }
    return [...known.values()];
  }

  async put(changes: readonly OffsetToStore[]): Promise<void> {
    const { own, worker, connector, exactlyOnce, parts } = this.#parts;
    if (changes.length === 0) return;
    const isCopied = this.place.own;
    // A tombstone goes to the worker's topic first: what only the connector's topic forgets would be found there.
    const removed = changes.filter(({ offset }) => offset === null);
    if (isCopied && removed.length > 0) await worker.put(connector, removed);
    if (exactlyOnce) await this.#putInTransaction(changes);
    else await (own?.store ?? worker).put(connector, changes);
    const kept = changes.filter(({ offset }) => offset !== null);
    if (!isCopied || kept.length === 0) return;
    await worker.put(connector, kept).catch((error: unknown) => {
      parts.logger.warn(
        { err: toError(error), connector },
        "offsets could not be copied to the worker's topic",
      );
    });
  }

  /** With the transactional id of the connector's first task, so that none that was forgotten writes after it. */
  async #putInTransaction(changes: readonly OffsetToStore[]): Promise<void> {
    const { connector, spec, parts } = this.#parts;
    const { topic } = this.place;
    if (topic === null) throw new Error('there is no topic of offsets');
    await using cluster = clusterOf(spec, 'producer', parts);
    await using producer = new TransactionalProducer({
      cluster,
      ...parts,
      transaction: { id: transactionalIdOf(spec.settings.groupId, connector, 0) },
    });
    await producer.init();
    producer.begin();
    await Promise.all(
      changes.map(({ partition, offset }) =>
        producer.send({ topic, key: offsetKey(connector, partition), value: offsetValue(offset) }),
      ),
    );
    await producer.commit();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#parts.own?.close();
  }
}

/** Connections as a connector's tasks have them. */
export function clusterOf(
  spec: ClientSpec,
  kind: 'producer' | 'admin',
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Cluster {
  return new Cluster({
    ...securityOf(spec, kind),
    bootstrapServers: bootstrapServersOf(spec, kind),
    clientId: `connect-${spec.settings.groupId}-offsets`,
    defaultApiTimeoutMs: OTHERS_TIMEOUT_MS,
    logger,
    clock,
  });
}
