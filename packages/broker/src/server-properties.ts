// The listeners that Kafka's server.properties names. Which keys mean what is in metadata/broker-config.ts.
import { MillraceError } from '@millrace/foundation';
import type { Address } from './broker-state.ts';
import type { BrokerConfig } from './metadata/broker-config.ts';
import { SECURITY_PROTOCOLS, type SecurityProtocol } from './security/listener-security.ts';

/** One address the broker listens on, and what it tells clients that came through it. */
export interface ListenerConfig {
  /** In upper case, as Kafka has it. */
  readonly name: string;
  readonly protocol: SecurityProtocol;
  readonly bind: Address;
  /** Undefined: the address it is bound to. */
  readonly advertised: Address | undefined;
}

/**
 * Reads `listeners` and `advertised.listeners`; those of the controller role, which this broker does not have apart,
 * are left out.
 *
 * @throws config.invalid
 */
export function listenersOf(config: BrokerConfig): ListenerConfig[] {
  const controllers = new Set(config.list('controller.listener.names').map((name) => name.toUpperCase()));
  const protocols = new Map(
    config.list('listener.security.protocol.map').map((entry) => {
      const [name, protocol] = splitOnce(entry, ':');
      return [name.trim().toUpperCase(), protocol.trim().toUpperCase()];
    }),
  );
  const advertised = new Map(
    config.list('advertised.listeners').map((text) => {
      const parsed = parseListener(text, 'advertised.listeners');
      return [parsed.name, parsed.address];
    }),
  );
  const listeners = config
    .list('listeners')
    .map((text) => parseListener(text, 'listeners'))
    .filter((listener) => !controllers.has(listener.name));
  if (listeners.length === 0)
    throw invalid('listeners', 'listeners must name at least one address for clients.');
  const names = new Set(listeners.map((listener) => listener.name));
  if (names.size !== listeners.length)
    throw invalid('listeners', 'Each listener must have a different name.');
  const bound = new Set<number>();
  for (const { name, address } of listeners) {
    if (address.port !== 0 && bound.has(address.port)) {
      throw invalid('listeners', `Each listener must have a different port; ${name} has one that is taken.`);
    }
    bound.add(address.port);
  }
  for (const name of config.listenersWithSettings()) {
    const isThere = names.has(name.toUpperCase()) || controllers.has(name.toUpperCase());
    if (!isThere) {
      const key = `listener.name.${name}`;
      throw invalid(
        'listeners',
        `There are keys ${key}.* and no listener ${name.toUpperCase()} in listeners.`,
      );
    }
  }
  return listeners.map(({ name, address }) => {
    const asked = protocols.get(name) ?? name;
    const protocol = SECURITY_PROTOCOLS.find((known) => known === asked);
    if (protocol === undefined) {
      throw invalid(
        'listener.security.protocol.map',
        protocols.has(name)
          ? `Listener ${name} wants ${asked}; there are ${SECURITY_PROTOCOLS.join(', ')}.`
          : `No security protocol defined for listener ${name}: add ${name}:PROTOCOL to listener.security.protocol.map.`,
      );
    }
    return { name, protocol, bind: address, advertised: advertised.get(name) };
  });
}

function parseListener(text: string, key: string): { name: string; address: Address } {
  const match = /^([\w-]+):\/\/(?:\[([0-9a-fA-F:.%]+)\]|([^\s:/]*)):(-?\d+)$/.exec(text);
  const port = Number(match?.[4]);
  if (!match || port < 0 || port > 65_535) {
    throw invalid(key, `Invalid value ${text} for configuration ${key}: expected NAME://host:port`);
  }
  return { name: (match[1] ?? '').toUpperCase(), address: { host: match[2] ?? match[3] ?? '', port } };
}

function splitOnce(text: string, separator: string): [string, string] {
  const cut = text.indexOf(separator);
  return cut < 0 ? [text, ''] : [text.slice(0, cut), text.slice(cut + 1)];
}

function invalid(configKey: string, message: string): MillraceError {
  return new MillraceError('config.invalid', message, {
    configKey,
    javaClass: 'org.apache.kafka.common.config.ConfigException',
  });
}
