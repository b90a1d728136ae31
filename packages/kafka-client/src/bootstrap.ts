// Reads `bootstrap.servers`.
import { MillraceError } from '@millrace/foundation';
import type { BrokerAddress } from './topic-metadata.ts';

/** Parses `host:port,[v6::address]:port`. @throws config.invalid */
export function parseBootstrapServers(text: string): BrokerAddress[] {
  const entries = text.split(',').map((entry) => entry.trim());
  return entries.filter((entry) => entry !== '' || entries.length === 1).map(parseAddress);
}

function parseAddress(entry: string): BrokerAddress {
  const match = /^(?:[A-Za-z_]+:\/\/)?(?:\[([0-9a-fA-F:%.]+)\]|([^:\s/]+)):(\d{1,5})$/.exec(entry);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port > 65_535) {
    throw new MillraceError('config.invalid', `Invalid url in bootstrap.servers: ${entry}`, {
      configKey: 'bootstrap.servers',
      hint: 'Give host:port pairs separated by commas, such as localhost:9092.',
      javaClass: 'org.apache.kafka.common.config.ConfigException',
    });
  }
  return { host, port };
}
