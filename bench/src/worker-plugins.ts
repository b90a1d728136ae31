// Plug-ins that exist for benches only: a source that gives the same batch again and again, and a sink that takes
// everything and does nothing. What is measured with them is the worker's own.
import {
  type Connector,
  type PluginEntry,
  type SinkConnectorPlugin,
  type SinkTask,
  type SourceConnectorPlugin,
  SourceRecord,
  type SourceTask,
} from '@millrace/connect-api';
import { converterPlugins } from '@millrace/converters';
import { ConfigDef, type RawConfig } from '@millrace/foundation';
import { transformPlugins } from '@millrace/transforms';

const PARTITION = { of: 'bench' };

class BenchConnector implements Connector {
  #config: RawConfig = {};

  start(_context: unknown, config: RawConfig): Promise<void> {
    this.#config = config;
    return Promise.resolve();
  }
  taskConfigs(maxTasks: number): Promise<readonly RawConfig[]> {
    return Promise.resolve(Array.from({ length: maxTasks }, () => this.#config));
  }
  stop(): Promise<void> {
    return Promise.resolve();
  }
}

/** `records` in all, `batch` at a time, of `bytes` each, to `topic`; then it waits for its end. */
class GeneratorTask implements SourceTask {
  #left = 0;
  #batch: readonly SourceRecord[] = [];

  start({ config }: Parameters<SourceTask['start']>[0]): Promise<void> {
    this.#left = Number(config['records'] ?? 0);
    const value = Buffer.alloc(Number(config['bytes'] ?? 200), 120);
    const record = (i: number): SourceRecord =>
      new SourceRecord({
        sourcePartition: PARTITION,
        sourceOffset: { i },
        topic: config['topic'] ?? '',
        value,
      });
    this.#batch = Array.from({ length: Number(config['batch'] ?? 2000) }, (_, i) => record(i));
    return Promise.resolve();
  }

  async poll(signal: AbortSignal): Promise<{ readonly records: readonly SourceRecord[] } | null> {
    if (this.#left > 0) {
      const records = this.#left < this.#batch.length ? this.#batch.slice(0, this.#left) : this.#batch;
      this.#left -= records.length;
      return { records };
    }
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    return null;
  }
  commit(): Promise<void> {
    return Promise.resolve();
  }
  stop(): Promise<void> {
    return Promise.resolve();
  }
}

/** Values inside a value, itself included; reading them is what a lazily parsed one is made for. */
function walk(value: unknown): number {
  if (!(value instanceof Map) && !Array.isArray(value)) return 1;
  let count = 1;
  for (const inner of value.values()) count += walk(inner);
  return count;
}

/** `read`: `nothing`, `op` (one field) or `all` of each value. */
class NullTask implements SinkTask {
  #read = '';
  /** So that nobody can find out that what is read is not used. */
  seen = 0;

  start({ config }: Parameters<SinkTask['start']>[0]): Promise<void> {
    this.#read = config['read'] ?? 'nothing';
    return Promise.resolve();
  }
  open(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
  put(records: Parameters<SinkTask['put']>[0]): Promise<void> {
    if (this.#read === 'all') for (const { value } of records) this.seen += walk(value);
    else if (this.#read === 'op')
      for (const { value } of records) if (value instanceof Map && value.get('op') === 'c') this.seen++;
    return Promise.resolve();
  }
  preCommit: SinkTask['preCommit'] = (delivered) => Promise.resolve(delivered);
  close(): Promise<void> {
    return Promise.resolve();
  }
  stop(): Promise<void> {
    return Promise.resolve();
  }
}

const about = { version: '1', configDef: new ConfigDef([]), passThrough: (): boolean => true };
const generator: SourceConnectorPlugin = {
  ...about,
  kind: 'source',
  className: 'bench.GeneratorSource',
  createConnector: () => new BenchConnector(),
  createTask: () => new GeneratorTask(),
};
const nowhere: SinkConnectorPlugin = {
  ...about,
  kind: 'sink',
  className: 'bench.NullSink',
  createConnector: () => new BenchConnector(),
  createTask: () => new NullTask(),
};

export const pluginEntries: readonly PluginEntry[] = [
  ...[generator, nowhere].map((plugin) => ({
    kind: plugin.kind,
    className: plugin.className,
    version: plugin.version,
    load: () => Promise.resolve(plugin),
  })),
  ...converterPlugins,
  ...transformPlugins,
];
