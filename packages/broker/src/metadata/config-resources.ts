// The resources that have configs: topics, the broker, the cluster-wide default of all brokers, groups and client
// metrics. Describes them, and works out what a change would leave.
import type { ConfigType } from '@millrace/foundation';
import { KafkaErrors } from '@millrace/kafka-protocol';
import type { BrokerState } from '../broker-state.ts';
import { KafkaFailure } from '../errors.ts';
import { BROKER_KEYS, brokerValueProblem, ConfigSource, type SourcedValue } from './broker-config.ts';
import { checkTogether, checkTopicConfigs } from './create-topic.ts';
import { type TopicOverrides, topicSources } from './topic-config.ts';
import { TOPIC_KEYS } from './topic-keys.ts';

export const ResourceType = { topic: 2, broker: 4, clientMetrics: 16, group: 32 } as const;

/** Types in the numbers of DescribeConfigs. */
const TYPE_NUMBER: Readonly<Record<ConfigType, number>> = {
  BOOLEAN: 1,
  STRING: 2,
  INT: 3,
  SHORT: 4,
  LONG: 5,
  DOUBLE: 6,
  LIST: 7,
  CLASS: 8,
  PASSWORD: 9,
};

/** One config as DescribeConfigs answers it. */
export interface DescribedConfig {
  readonly name: string;
  readonly value: string | null;
  readonly readOnly: boolean;
  readonly configSource: number;
  readonly isSensitive: boolean;
  readonly synonyms: readonly SourcedValue[];
  readonly configType: number;
  readonly documentation: null;
}

/** Configs of client metrics, which this broker takes none of. */
const CLIENT_METRICS: readonly (readonly [string, ConfigType, string])[] = [
  ['interval.ms', 'INT', '300000'],
  ['match', 'LIST', ''],
  ['metrics', 'LIST', ''],
];
const GROUP_PREFIXES =
  /^group\.((?:consumer|share|streams)\.(?:session\.timeout|heartbeat\.interval|assignment\.interval)\.ms)$/;

/** The configs of a group, by the broker's key for the default of each. */
const GROUP_KEYS = [...BROKER_KEYS.values()].flatMap((key) => {
  const name = GROUP_PREFIXES.exec(key.name)?.[1];
  return name === undefined ? [] : [{ name, key }];
});

/** All configs of a resource. @throws KafkaFailure when there is no such resource */
export function describeResource(broker: BrokerState, type: number, name: string): DescribedConfig[] {
  switch (type) {
    case ResourceType.topic:
      return describeTopic(broker, name);
    case ResourceType.broker:
      return describeBroker(broker, name);
    case ResourceType.clientMetrics:
      return CLIENT_METRICS.map(([key, keyType, value]) => described(key, keyType, { value }));
    case ResourceType.group:
      return describeGroup(broker);
    default:
      throw new KafkaFailure(KafkaErrors.INVALID_REQUEST);
  }
}

function describeTopic(broker: BrokerState, name: string): DescribedConfig[] {
  const topic = broker.topics.get(name);
  if (!topic) throw new KafkaFailure(KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION, '');
  const shown = [...TOPIC_KEYS.values()].filter((key) => !key.own || topic.configs[key.name] !== undefined);
  return shown.map((key) => {
    const sources = topicSources(key, topic.configs, broker.config);
    const isNamed = (source: SourcedValue): boolean =>
      key.broker !== undefined || source.source === ConfigSource.topic;
    return described(key.name, key.type, {
      value: sources[0]?.value ?? null,
      source: sources[0]?.source ?? ConfigSource.defaults,
      synonyms: sources.filter(isNamed),
    });
  });
}

function describeBroker(broker: BrokerState, name: string): DescribedConfig[] {
  // The cluster-wide default holds only what was changed at run time.
  if (name === '') {
    return [...broker.config.dynamicEntries()].flatMap(([key, value]) => {
      const known = BROKER_KEYS.get(key);
      const source = ConfigSource.dynamicDefaultBroker;
      return known
        ? [described(key, known.type, { value, source, synonyms: [{ name: key, value, source }] })]
        : [];
    });
  }
  if (name !== String(broker.nodeId)) throw wrongBroker(broker, name);
  return [...BROKER_KEYS.values()].map((key) => {
    const sources = broker.config.sources(key.name);
    // INV-11: secrets are named, never shown.
    const shown = key.sensitive ? sources.map((source) => ({ ...source, value: null })) : sources;
    return {
      ...described(key.name, key.type, {
        value: shown[0]?.value ?? null,
        source: shown[0]?.source ?? ConfigSource.defaults,
        synonyms: shown,
      }),
      readOnly: key.readOnly,
      isSensitive: key.sensitive,
    };
  });
}

function describeGroup(broker: BrokerState): DescribedConfig[] {
  return GROUP_KEYS.map(({ name, key }) => {
    const sources = broker.config.sources(key.name);
    return described(name, key.type, { value: sources[0]?.value ?? null, synonyms: sources });
  });
}

function described(
  name: string,
  type: ConfigType,
  found: { value: string | null; source?: number; synonyms?: readonly SourcedValue[] },
): DescribedConfig {
  return {
    name,
    value: found.value,
    readOnly: false,
    configSource: found.source ?? ConfigSource.defaults,
    isSensitive: type === 'PASSWORD',
    synonyms: found.synonyms ?? [],
    configType: TYPE_NUMBER[type],
    documentation: null,
  };
}

/** What may be done to one config. */
export const AlterOperation = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

export interface Alteration {
  readonly name: string;
  readonly operation: number;
  readonly value: string | null;
}

/** Changes a topic's overrides; nothing is stored when `validateOnly`. @throws KafkaFailure */
export async function alterTopic(
  broker: BrokerState,
  name: string,
  change: (present: TopicOverrides) => TopicOverrides,
  validateOnly: boolean,
): Promise<void> {
  const topic = broker.topics.get(name);
  if (!topic)
    throw new KafkaFailure(KafkaErrors.UNKNOWN_TOPIC_OR_PARTITION, `The topic '${name}' does not exist.`);
  const changed = change(topic.configs);
  if (!validateOnly) await broker.topics.configure(topic, changed);
}

/** The overrides after single changes. @throws KafkaFailure */
export function applyAlterations(
  present: TopicOverrides,
  alterations: readonly Alteration[],
): TopicOverrides {
  const changed: Record<string, string> = { ...present };
  for (const { name, operation, value } of alterations) {
    const key = TOPIC_KEYS.get(name);
    // What nobody can have set is back at its default, as Kafka has it.
    if (!key && operation === AlterOperation.delete) continue;
    if (!key) throw new KafkaFailure(KafkaErrors.INVALID_CONFIG, `Unknown topic config name: ${name}`);
    switch (operation) {
      case AlterOperation.set:
        Object.assign(changed, checkTopicConfigs([{ name, value }]));
        break;
      case AlterOperation.delete:
        delete changed[name];
        break;
      case AlterOperation.append:
      case AlterOperation.subtract:
        Object.assign(changed, alterList(name, key.type, { operation, value, present: changed[name] }));
        break;
      default:
        throw new KafkaFailure(KafkaErrors.UNKNOWN_SERVER_ERROR, '');
    }
  }
  checkTogether(changed);
  return changed;
}

function alterList(
  name: string,
  type: ConfigType,
  { operation, value, present }: { operation: number; value: string | null; present: string | undefined },
): TopicOverrides {
  const isAppend = operation === AlterOperation.append;
  if (type !== 'LIST') {
    const verb = isAppend ? 'APPEND' : 'SUBTRACT';
    throw new KafkaFailure(
      KafkaErrors.INVALID_CONFIG,
      `Can't ${verb} to key ${name} because its type is not LIST.`,
    );
  }
  const given = (value ?? '').split(',').map((item) => item.trim());
  const items = present === undefined || present === '' ? [] : present.split(',').map((item) => item.trim());
  const kept = items.filter((item) => !given.includes(item));
  return checkTopicConfigs([{ name, value: (isAppend ? [...kept, ...given] : kept).join(',') }]);
}

/** Changes cluster-wide broker settings. @throws KafkaFailure */
export async function alterBroker(
  broker: BrokerState,
  name: string,
  alterations: readonly Alteration[],
  validateOnly: boolean,
): Promise<void> {
  if (name !== '' && name !== String(broker.nodeId)) throw wrongBroker(broker, name);
  const fixed = alterations.filter(({ name: key }) => isFixed(key));
  if (fixed.length > 0) {
    const names = fixed.map((alteration) => alteration.name).join(', ');
    throw new KafkaFailure(
      KafkaErrors.INVALID_REQUEST,
      `Cannot update these configs dynamically: [${names}]`,
    );
  }
  for (const { name: key, operation, value } of alterations) {
    const known = BROKER_KEYS.get(key);
    const problem = known && value !== null ? brokerValueProblem(known, value) : undefined;
    if (problem !== undefined) throw new KafkaFailure(KafkaErrors.INVALID_REQUEST, problem);
    if (operation !== AlterOperation.set && operation !== AlterOperation.delete) {
      throw new KafkaFailure(
        KafkaErrors.INVALID_REQUEST,
        'Only SET and DELETE are supported for broker configs.',
      );
    }
  }
  if (validateOnly) return;
  for (const { name: key, operation, value } of alterations) {
    const stored = operation === AlterOperation.delete ? null : value;
    await broker.metadata.append({ type: 'broker-config', name: key, value: stored });
    broker.config.setDynamic(key, stored);
  }
  broker.topics.refreshConfigs();
}

/** Listeners are set up at start: what protects them cannot change while they serve. */
function isFixed(name: string): boolean {
  return (BROKER_KEYS.get(name)?.readOnly ?? true) || /^(ssl|sasl|listeners?)(\.|$)/.test(name);
}

function wrongBroker(broker: BrokerState, name: string): KafkaFailure {
  return new KafkaFailure(
    KafkaErrors.INVALID_REQUEST,
    `Unexpected broker id, expected ${broker.nodeId} or empty string, but received ${name}`,
  );
}
