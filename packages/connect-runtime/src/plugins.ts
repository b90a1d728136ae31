// Finds plug-ins by the names configs use. Names are known at start; code is loaded on first use.
import type {
  ConnectorPlugin,
  ConverterPlugin,
  HeaderConverterPlugin,
  Plugin,
  PluginEntry,
  PredicatePlugin,
  TransformationPlugin,
} from '@millrace/connect-api';
import { connectError } from './errors.ts';

type PluginKind = Plugin['kind'];
interface PluginByKind {
  source: ConnectorPlugin;
  sink: ConnectorPlugin;
  converter: ConverterPlugin;
  header_converter: HeaderConverterPlugin;
  transformation: TransformationPlugin;
  predicate: PredicatePlugin;
}

/** The kinds in the order in which `/connector-plugins` lists them. */
const LIST_ORDER: readonly PluginKind[] = [
  'sink',
  'source',
  'transformation',
  'predicate',
  'converter',
  'header_converter',
];

/** One row of `/connector-plugins`. */
export interface PluginInfo {
  readonly class: string;
  readonly type: PluginKind;
  readonly version: string | null;
}

/** All plug-ins of a worker or of one of its threads. */
export class PluginRegistry {
  readonly #entries: readonly PluginEntry[];
  readonly #byName = new Map<string, PluginEntry[]>();
  readonly #loaded = new Map<PluginEntry, Promise<Plugin>>();
  readonly #missed = new Set<string>();

  constructor(entries: readonly PluginEntry[]) {
    this.#entries = entries;
    for (const entry of entries) {
      for (const name of namesOf(entry)) {
        const same = this.#byName.get(name) ?? [];
        same.push(entry);
        this.#byName.set(name, same);
      }
    }
  }

  /** Sorted by kind, then by class, as Connect lists them. */
  list(): PluginInfo[] {
    return this.#entries
      .map((entry) => ({ class: entry.className, type: entry.kind, version: entry.version }))
      .sort(
        (a, b) =>
          LIST_ORDER.indexOf(a.type) - LIST_ORDER.indexOf(b.type) ||
          (a.class < b.class ? -1 : Number(a.class > b.class)),
      );
  }

  /** Class names of one kind, sorted. */
  classNames(...kinds: readonly PluginKind[]): string[] {
    return this.#entries
      .filter((entry) => kinds.includes(entry.kind))
      .map((entry) => entry.className)
      .sort();
  }

  /** The entry of that name and one of these kinds; of any kind when none is given. */
  find(name: string, ...kinds: readonly PluginKind[]): PluginEntry | undefined {
    return this.#byName.get(name)?.find((entry) => kinds.length === 0 || kinds.includes(entry.kind));
  }

  /** Whether it is the common class of a transform of keys and one of values, which cannot be used itself. */
  hasSides(name: string): boolean {
    return this.#byName.has(`${name}$Key`);
  }

  load(entry: PluginEntry): Promise<Plugin> {
    let loading = this.#loaded.get(entry);
    if (!loading) {
      loading = entry.load();
      this.#loaded.set(entry, loading);
      loading.catch(() => this.#loaded.delete(entry));
    }
    return loading;
  }

  /**
   * The connector of a `connector.class`.
   * @throws connect.unknown_class in Connect's words, which change from the second request for a name on.
   */
  async connector(name: string): Promise<ConnectorPlugin> {
    const entry = this.find(name, 'source', 'sink');
    if (!entry) throw this.#unknownConnector(name);
    return (await this.load(entry)) as ConnectorPlugin;
  }

  /**
   * The plug-in of that name and kind.
   * @throws connect.unknown_class
   */
  async get<K extends PluginKind>(name: string, kind: K): Promise<PluginByKind[K]> {
    const entry = this.find(name, kind);
    if (!entry) {
      throw connectError(
        'connect.unknown_class',
        `Failed to find any class that implements ${interfaceName(kind)} and which name matches ${name}`,
      );
    }
    return (await this.load(entry)) as PluginByKind[K];
  }

  #unknownConnector(name: string): Error {
    const available = this.list()
      .filter((info) => info.type === 'sink' || info.type === 'source')
      .map(
        (info) =>
          `PluginDesc{klass=class ${info.class}, name='${info.class}', version='${info.version ?? 'undefined'}', ` +
          `encodedVersion=${info.version ?? 'undefined'}, type=${info.type}, typeName='${info.type}', location='classpath'}`,
      )
      .join(', ');
    const again = this.#missed.has(name) ? 'org.apache.kafka.connect.errors.ConnectException: ' : '';
    // Bounded: names come from requests.
    if (this.#missed.size < 1000) this.#missed.add(name);
    return connectError(
      'connect.unknown_class',
      `${again}Failed to find any class that implements Connector and which name matches ${name}, available connectors are: ${available}`,
    );
  }
}

/** How Java calls the interface of a kind. */
export function interfaceName(kind: PluginKind): string {
  switch (kind) {
    case 'source':
    case 'sink':
      return 'Connector';
    case 'converter':
      return 'Converter';
    case 'header_converter':
      return 'HeaderConverter';
    case 'transformation':
      return 'Transformation';
    case 'predicate':
      return 'Predicate';
    default:
      return kind satisfies never;
  }
}

/** Full class name, aliases, simple name, and the simple name without its kind (`FileStreamSource`). */
function namesOf(entry: PluginEntry): Set<string> {
  const names = new Set<string>();
  for (const className of [entry.className, ...(entry.aliases ?? [])]) {
    names.add(className);
    const simple = className.slice(className.lastIndexOf('.') + 1);
    // The simple name of a nested class is that of its side alone, which names nothing.
    if (simple.includes('$')) continue;
    names.add(simple);
    const suffix = interfaceName(entry.kind);
    if (simple.endsWith(suffix) && simple.length > suffix.length) names.add(simple.slice(0, -suffix.length));
  }
  return names;
}
