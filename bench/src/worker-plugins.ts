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
import { ConfigDef, type GaugeLine, type RawConfig, showGauges } from '@millrace/foundation';
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

/**
 * `read`: `nothing`, `op` (one field) or `all` of each value. From its first batch to that with record number `records` it
 * takes the time and the CPU of the process, and shows both per record: looking from outside would cost as much.
 */
class NullTask implements SinkTask {
  #read = '';
  #left = 0;
  #counted = 0;
  #begun: { readonly time: number; readonly cpu: NodeJS.CpuUsage } | undefined;
  #shown: readonly GaugeLine[] = [];
  #hide: () => void = () => undefined;
  /** So that nobody can find out that what is read is not used. */
  seen = 0;

  start({ config, metrics, connectorName }: Parameters<SinkTask['start']>[0]): Promise<void> {
    this.#read = config['read'] ?? 'nothing';
    this.#left = Number(config['records'] ?? 0);
    const family = { name: 'bench_sink_us', help: 'A record', labels: { connector: connectorName } };
    this.#hide = showGauges(metrics, { ...family, lineLabels: ['of'] }, () => this.#shown);
    return Promise.resolve();
  }
  open(): Promise<undefined> {
    return Promise.resolve(undefined);
  }
  put(records: Parameters<SinkTask['put']>[0]): Promise<void> {
    if (this.#read === 'all') for (const { value } of records) this.seen += walk(value);
    else if (this.#read === 'op')
      for (const { value } of records) if (value instanceof Map && value.get('op') === 'c') this.seen++;
    this.#count(records.length);
    return Promise.resolve();
  }
  #count(records: number): void {
    this.#left -= records;
    if (!this.#begun) this.#begun = { time: performance.now(), cpu: process.cpuUsage() };
    else if (this.#shown.length === 0) {
      this.#counted += records;
      if (this.#left > 0) return;
      const { user, system } = process.cpuUsage(this.#begun.cpu);
      this.#shown = [
        { labels: { of: 'time' }, value: ((performance.now() - this.#begun.time) * 1000) / this.#counted },
        { labels: { of: 'cpu' }, value: (user + system) / this.#counted },
      ];
    }
  }
  preCommit: SinkTask['preCommit'] = (delivered) => Promise.resolve(delivered);
  close(): Promise<void> {
    return Promise.resolve();
  }
  stop(): Promise<void> {
    this.#hide();
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
