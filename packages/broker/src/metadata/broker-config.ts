// The broker's settings: what server.properties says over Kafka's defaults over ours, and what was changed at run time.
// Values stay text, so that a retention of 2^63-1 survives; readers ask for the type they need.
import {
  type ConfigType,
  type ConfigValue,
  invalid,
  nearestName,
  parseConfigText,
  toError,
} from '@millrace/foundation';
import type { FlushPolicy } from '../log/log-config.ts';
import { KAFKA_BROKER_KEYS } from './broker-keys.ts';

/** Where a value comes from, in the numbers of DescribeConfigs. */
export const ConfigSource = {
  topic: 1,
  broker: 2,
  dynamicDefaultBroker: 3,
  staticBroker: 4,
  defaults: 5,
} as const;

export interface BrokerKey {
  readonly name: string;
  readonly type: ConfigType;
  readonly readOnly: boolean;
  readonly sensitive: boolean;
  readonly fallback: string | null;
}

/** A value with where it comes from. */
export interface SourcedValue {
  readonly name: string;
  readonly value: string | null;
  readonly source: number;
}

/** Keys of ours, in the notation of broker-keys.ts. */
const OWN_KEYS = `
millrace.authentication.timeout.ms LONG ro 30000
millrace.disk.reserve.bytes LONG ro 33554432
millrace.log.flush.interval.ms LONG ro 10
millrace.log.flush.policy STRING ro acks-all
millrace.replication.factor.clamp BOOLEAN ro true
millrace.tail.cache.bytes LONG ro 16777216
`;

/** Kafka's value is meant for many brokers and slow disks; ours for one broker beside its clients. */
const OWN_DEFAULTS: Readonly<Record<string, string>> = {
  'group.initial.rebalance.delay.ms': '50',
  'log.cleaner.dedupe.buffer.size': '33554432',
  'log.segment.delete.delay.ms': '1000',
  'node.id': '1',
  'offsets.topic.num.partitions': '1',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.segment.bytes': '16777216',
  'transaction.state.log.num.partitions': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.segment.bytes': '16777216',
};

/** Keys of Kafka's authorizer, which DescribeConfigs does not know. */
const AUTHORIZER_KEYS: readonly string[] = ['allow.everyone.if.no.acl.found', 'super.users'];
/** Only a node of a KRaft quorum has use for these. */
const KRAFT_KEYS =
  /^(process\.roles|controller\.(?!quota\.)\S+|metadata\.(log|max)\.\S+|sasl\.mechanism\.controller\.protocol|early\.start\.listeners|broker\.(heartbeat|session)\.\S+|initial\.broker\.registration\.timeout\.ms)$/;
/** What `listener.name.NAME.` may stand before. */
const LISTENER_KEYS =
  /^(ssl|sasl)\.|^(connections\.max\.reauth\.ms|max\.connections|max\.connection\.creation\.rate|num\.network\.threads|principal\.builder\.class)$|^(plain|scram-sha-256|scram-sha-512)\.sasl\.jaas\.config$/;
const LISTENER_PREFIX = /^listener\.name\.([^.]+)\.(.+)$/;
const MECHANISM_JAAS = /^(plain|scram-sha-256|scram-sha-512)\.sasl\.jaas\.config$/;

const FLUSH_POLICIES: readonly string[] = ['os', 'interval', 'acks-all', 'always'] satisfies FlushPolicy[];

const LINE = /^(\S+) (\S+) (ro|rw)(!?)(?: (.*))?$/;

/** All broker keys by name, in alphabetical order. */
export const BROKER_KEYS: ReadonlyMap<string, BrokerKey> = new Map(
  `${KAFKA_BROKER_KEYS}${OWN_KEYS}`
    .split('\n')
    .flatMap((line) => {
      const match = LINE.exec(line);
      if (!match) return [];
      const [, name = '', type, access, secret, fallback] = match;
      return [
        {
          name,
          type: type as ConfigType,
          readOnly: access === 'ro',
          sensitive: secret === '!',
          fallback: OWN_DEFAULTS[name] ?? fallback ?? null,
        },
      ];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((key) => [key.name, key]),
);

/** What is wrong with a value; undefined when nothing is. */
export function brokerValueProblem(key: BrokerKey, text: string): string | undefined {
  const { problem } = parseConfigText(key.type, text);
  if (problem !== undefined) return invalid(key.name, text, problem);
  const isPolicy = key.name !== 'millrace.log.flush.policy' || FLUSH_POLICIES.includes(text.trim());
  return isPolicy
    ? undefined
    : invalid(key.name, text, `String must be one of: ${FLUSH_POLICIES.join(', ')}`);
}

export interface BrokerConfigResult {
  readonly config: BrokerConfig;
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
  /** Keys that were given and have no effect here, since only a node of a KRaft quorum has use for them. */
  readonly unused: readonly string[];
}

/** The key that one of a listener overrides; any other name as it is. */
function listenerKeyOf(name: string): string {
  const key = LISTENER_PREFIX.exec(name)?.[2];
  return key !== undefined && LISTENER_KEYS.test(key) ? key : name;
}

function unknownKey(name: string): string {
  const [, listener, key] = LISTENER_PREFIX.exec(name) ?? [];
  const known =
    key === undefined
      ? [...BROKER_KEYS.keys(), ...AUTHORIZER_KEYS]
      : [...BROKER_KEYS.keys()].filter((candidate) => LISTENER_KEYS.test(candidate));
  const nearest = nearestName(key ?? name, known);
  const prefix = key === undefined ? '' : `listener.name.${listener}.`;
  const guess = nearest === undefined ? '' : ` Did you mean ${prefix}${nearest}?`;
  return `${name} is not a key of the broker and has no effect.${guess}`;
}

export class BrokerConfig {
  readonly #static: ReadonlyMap<string, string>;
  /** Cluster-wide values changed at run time. */
  readonly #dynamic = new Map<string, string>([['min.insync.replicas', '1']]);

  constructor(values: ReadonlyMap<string, string>) {
    this.#static = values;
  }

  /** Checks raw properties. Unknown keys have no effect and are warned about. */
  static parse(raw: Readonly<Record<string, string>>): BrokerConfigResult {
    const values = new Map<string, string>();
    const problems: string[] = [];
    const warnings: string[] = [];
    const unused: string[] = [];
    for (const [name, text] of Object.entries(raw)) {
      const key = BROKER_KEYS.get(listenerKeyOf(name));
      if (key) {
        const problem = brokerValueProblem({ ...key, name }, text);
        if (problem === undefined) values.set(name, text.trim());
        else problems.push(problem);
        if (KRAFT_KEYS.test(name)) unused.push(name);
      } else if (AUTHORIZER_KEYS.includes(name) || MECHANISM_JAAS.test(listenerKeyOf(name))) {
        values.set(name, text.trim());
      } else if (!/^(confluent|metrics|remote\.log)\./.test(name)) {
        // Settings of plug-ins and of clients inside Kafka carry a prefix of their own.
        warnings.push(unknownKey(name));
      }
    }
    return { config: new BrokerConfig(values), problems, warnings, unused };
  }

  /** All values of a key, the one in force first. */
  sources(name: string): SourcedValue[] {
    const key = BROKER_KEYS.get(name);
    if (!key) return [];
    const found: SourcedValue[] = [];
    const dynamic = this.#dynamic.get(name);
    const fixed = this.#static.get(name);
    if (dynamic !== undefined)
      found.push({ name, value: dynamic, source: ConfigSource.dynamicDefaultBroker });
    if (fixed !== undefined) found.push({ name, value: fixed, source: ConfigSource.staticBroker });
    if (key.fallback !== null) found.push({ name, value: key.fallback, source: ConfigSource.defaults });
    return found;
  }

  text(name: string): string | undefined {
    return this.sources(name)[0]?.value ?? undefined;
  }
  /** A number; a LONG beyond 2^53 loses digits no limit or delay can notice. */
  number(name: string): number {
    return Number(this.#value(name));
  }
  boolean(name: string): boolean {
    return this.#value(name) === true;
  }
  list(name: string): readonly string[] {
    const value = this.text(name);
    return value === undefined || value === '' ? [] : value.split(/\s*,\s*/);
  }
  /** Whether server.properties has the key. */
  isSet(name: string): boolean {
    return this.#static.has(name);
  }

  /** Reads keys as one listener has them: its own value, else that of all listeners. */
  forListener(listener: string): (key: string) => string | undefined {
    const prefix = `listener.name.${listener.toLowerCase()}.`;
    return (key) => this.#static.get(prefix + key) ?? this.given(key) ?? this.text(key);
  }
  /** What server.properties says for a key, known to DescribeConfigs or not. */
  given(name: string): string | undefined {
    return this.#static.get(name);
  }
  /** Names of listeners that have settings of their own, in lower case. */
  listenersWithSettings(): ReadonlySet<string> {
    const names = [...this.#static.keys()].flatMap((name) => LISTENER_PREFIX.exec(name)?.[1] ?? []);
    return new Set(names);
  }

  dynamicEntries(): ReadonlyMap<string, string> {
    return this.#dynamic;
  }
  setDynamic(name: string, value: string | null): void {
    if (value === null) this.#dynamic.delete(name);
    else this.#dynamic.set(name, value);
  }

  #value(name: string): ConfigValue {
    const key = BROKER_KEYS.get(name);
    const text = this.text(name);
    if (!key || text === undefined) throw toError(`broker key ${name} has no value`);
    return parseConfigText(key.type, text).value;
  }
}
