// A worker in the process of the test, with plug-ins of the test's own beside those of the distribution.
import { startWorker } from '@millrace/connect-runtime';
import { createMetrics, LogHub, type Metrics, systemClock } from '@millrace/foundation';
import { type RestSubject, restRequest } from '@millrace/testkit';

export interface OwnWorker extends RestSubject, AsyncDisposable {
  /** `http://HOST:PORT`. */
  readonly rest: string;
  readonly metrics: Metrics;
}

/**
 * Starts it on a broker that others run. `plugins` is the name of a module beside this one; it exports `pluginEntries`.
 * Converters are those for strings, and offsets are stored every 200 ms.
 */
export async function startWorkerWith(
  plugins: string,
  bootstrapServers: string,
  dataDir: string,
  properties: Readonly<Record<string, string>> = {},
): Promise<OwnWorker> {
  const pluginsModule = new URL(plugins, import.meta.url);
  const { pluginEntries } = (await import(pluginsModule.href)) as Pick<
    Parameters<typeof startWorker>[0],
    'pluginEntries'
  >;
  const metrics = createMetrics();
  const worker = await startWorker({
    properties: {
      'offset.flush.interval.ms': '200',
      'key.converter': 'org.apache.kafka.connect.storage.StringConverter',
      'value.converter': 'org.apache.kafka.connect.storage.StringConverter',
      ...properties,
    },
    pluginEntries,
    pluginsModule,
    bootstrapServers,
    rest: { host: '127.0.0.1', port: 0 },
    dataDir,
    logHub: new LogHub({ level: 'silent' }),
    metrics,
    clock: systemClock,
    env: {},
    version: '0',
    onFatal: (error) => {
      throw error;
    },
  });
  const rest = `http://127.0.0.1:${worker.restPort}`;
  return {
    rest,
    metrics,
    request: (method, target, body) => restRequest(rest, method, target, body),
    [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
  };
}
