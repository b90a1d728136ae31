// Settings of Kafka clients that a connector overrides (`producer.override.*` and so on): which ones the worker's
// policy lets through, and what of the Java clients' keys ours understand.
import { invalid, parseConfigText, type RawConfig } from '@millrace/foundation';
import { connectError, JAVA } from '../errors.ts';

export type OverridePolicy = 'All' | 'None' | 'Principal';
export type ClientKind = 'producer' | 'consumer' | 'admin';

/** Keys of clients whose values are passwords or keys. */
const SECRET_KEYS =
  /^(sasl\.jaas\.config|ssl\.(.*\.)?password|ssl\.keystore\.(key|certificate\.chain)|ssl\.truststore\.certificates)$/;
const PRINCIPAL_KEYS = new Set(['sasl.jaas.config', 'sasl.mechanism', 'security.protocol']);

/** What a policy has against a config's overrides: full key and message. */
export function overrideProblems(
  config: RawConfig,
  policy: OverridePolicy,
  kinds: readonly ClientKind[],
): { readonly key: string; readonly value: string; readonly message: string }[] {
  if (policy === 'All') return [];
  return kinds.flatMap((kind) =>
    Object.entries(overridesOf(config, kind))
      .filter(([name]) => policy === 'None' || !PRINCIPAL_KEYS.has(name))
      .map(([name, value]) => ({
        key: `${kind}.override.${name}`,
        // INV-11: the answer to validate shows it.
        value: SECRET_KEYS.test(name) ? '[hidden]' : value,
        message: `The '${policy}' policy does not allow '${name}' to be overridden in the connector configuration.`,
      })),
  );
}

/** A connector's overrides for one kind of client, prefix cut off. */
export function overridesOf(config: RawConfig, kind: ClientKind): Record<string, string> {
  return withPrefix(config, `${kind}.override.`);
}

/** Keys below a prefix, with the prefix cut off. */
export function withPrefix(config: RawConfig, prefix: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [key, value] of Object.entries(config)) {
    if (key.startsWith(prefix) && key.length > prefix.length && value != null) {
      found[key.slice(prefix.length)] = value;
    }
  }
  return found;
}

/** Number keys of the Java clients: a value of another type is refused when a connector is created. */
const NUMBER_KEYS: Readonly<Record<string, 'INT' | 'LONG'>> = {
  'batch.size': 'INT',
  'buffer.memory': 'LONG',
  'delivery.timeout.ms': 'INT',
  'fetch.max.bytes': 'INT',
  'fetch.max.wait.ms': 'INT',
  'fetch.min.bytes': 'INT',
  'heartbeat.interval.ms': 'INT',
  'linger.ms': 'LONG',
  'max.block.ms': 'LONG',
  'max.in.flight.requests.per.connection': 'INT',
  'max.partition.fetch.bytes': 'INT',
  'max.poll.interval.ms': 'INT',
  'max.poll.records': 'INT',
  'max.request.size': 'INT',
  'metadata.max.age.ms': 'LONG',
  'request.timeout.ms': 'INT',
  retries: 'INT',
  'retry.backoff.ms': 'LONG',
  'session.timeout.ms': 'INT',
};
const CLASS_KEYS = new Set([
  'key.serializer',
  'value.serializer',
  'key.deserializer',
  'value.deserializer',
  'partitioner.class',
]);

/**
 * Refuses overrides whose value no client could take.
 * @throws connect.rest_internal in the Java clients' words, as Connect answers.
 */
export function checkOverrideValues(config: RawConfig, kinds: readonly ClientKind[]): void {
  for (const kind of kinds) {
    for (const [name, value] of Object.entries(overridesOf(config, kind))) {
      const type = NUMBER_KEYS[name];
      const problem = type === undefined ? undefined : parseConfigText(type, value).problem;
      const unknownClass =
        CLASS_KEYS.has(name) && !value.startsWith('org.apache.kafka.')
          ? `Class ${value} could not be found.`
          : undefined;
      const text = problem ?? unknownClass;
      if (text !== undefined) {
        throw connectError('connect.rest_internal', invalid(name, value, text), {
          configKey: `${kind}.override.${name}`,
          javaClass: JAVA.config,
        });
      }
    }
  }
}
