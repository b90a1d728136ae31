// `millrace broker`: the bundled broker alone.
import path from 'node:path';
import { startBrokerThread } from '@millrace/broker/thread';
import { startMetricsExport } from '@millrace/connect-runtime/otlp';
import { LogHub, type LogLevel, systemClock } from '@millrace/foundation';
import type { Command } from 'commander';
import { formatHostPort, parseHostPort } from './addresses.ts';
import { logOutput } from './log-output.ts';
import { serveMetrics } from './metrics-page.ts';
import { readBrokerProperties } from './read-properties.ts';
import { RunningParts } from './running.ts';
import { packageVersion } from './version.ts';

interface BrokerFlags {
  readonly config?: string;
  readonly data: string;
  readonly kafka?: string;
  readonly metrics?: string;
  readonly logLevel: LogLevel;
}

export function registerBroker(program: Command): void {
  program
    .command('broker')
    .description('run the bundled broker alone')
    .argument('[server.properties]', 'broker settings, as Kafka has them')
    .option('--config <file>', 'the same, as an option')
    .option('--data <dir>', 'folder that holds everything', './data')
    .option('--kafka <host:port>', 'where it listens (default 127.0.0.1:9092)')
    .option('--metrics <host:port>', 'where /metrics answers; nowhere without it')
    .option('--log-level <level>', 'fatal, error, warn, info, debug or trace', 'info')
    .action(async (propertiesFile: string | undefined, flags: BrokerFlags) => {
      const parts = new RunningParts();
      parts.endOnSignals();
      try {
        const logHub = new LogHub({ level: flags.logLevel, ...logOutput(process.stderr.isTTY) });
        const properties = await readBrokerProperties(propertiesFile ?? flags.config);
        const listens = flags.kafka ?? (properties['listeners'] === undefined ? '127.0.0.1:9092' : undefined);
        const broker = await startBrokerThread({
          dataDirectory: path.resolve(flags.data),
          properties,
          ...(listens === undefined ? {} : { listen: parseHostPort(listens, '--kafka') }),
          logger: logHub.logger('kafka.server'),
        });
        parts.onClose(() => broker.close());
        void broker.crashed.then((error) => parts.fail('The broker has died.', error));
        const ready = [`kafka=${formatHostPort(broker)}`];
        if (flags.metrics !== undefined) {
          const page = await serveMetrics(parseHostPort(flags.metrics, '--metrics'), () => broker.metrics());
          parts.onClose(() => page.close());
          ready.push(`metrics=http://${formatHostPort(page)}`);
        }
        const exporting = await startMetricsExport({
          env: process.env,
          render: () => broker.metrics(),
          version: packageVersion(),
          instanceId: formatHostPort(broker),
          clock: systemClock,
          logger: logHub.logger('io.opentelemetry'),
        });
        if (exporting) parts.onClose(async () => await exporting[Symbol.asyncDispose]());
        process.stdout.write(`ready ${ready.join(' ')}\n`);
      } catch (error) {
        parts.fail('The broker could not start.', error);
      }
    });
}
