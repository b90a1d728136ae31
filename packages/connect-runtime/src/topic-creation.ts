// Topics the worker needs: its own, those of its connectors, dead letter queues.
import { type Logger, messageOf, type RawConfig } from '@millrace/foundation';
import type { Admin } from '@millrace/kafka-client';
import { withPrefix } from './config/client-overrides.ts';

export interface WantedTopic {
  readonly topic: string;
  readonly partitions: number;
  /** -1 = the brokers' default. More than there are brokers is too many: as many as there are it is. */
  readonly replicationFactor: number;
  readonly config: Readonly<Record<string, string>>;
}

/**
 * Settings of the worker's own topics. In small segments, since the one that is written is never compacted: with the
 * brokers' default, a start would read a week of states and offsets.
 */
export const STORE_TOPIC_CONFIG: Readonly<Record<string, string>> = {
  'cleanup.policy': 'compact',
  'segment.bytes': '16777216',
  'segment.ms': '600000',
};

/** Creates a topic unless it is there. */
export async function ensureTopic(admin: Admin, logger: Logger, wanted: WantedTopic): Promise<void> {
  const { topic, partitions, replicationFactor, config } = wanted;
  if ((await admin.listTopics([topic])).length > 0) return;
  const { brokers } = await admin.describeCluster();
  const replicas = Math.min(replicationFactor, Math.max(1, brokers.length));
  if (replicas < replicationFactor) {
    logger.info({ topic, wanted: replicationFactor, replicas }, 'fewer brokers than wanted replicas');
  }
  await admin.createTopics([{ name: topic, partitions, replicationFactor: replicas, configs: config }]);
}

interface TopicGroup {
  readonly include: readonly RegExp[];
  readonly exclude: readonly RegExp[];
  readonly settings: Readonly<Record<string, string>>;
}

/** How topics of a source connector are created: `topic.creation.*` (KIP-158). */
export class TopicCreationRules {
  readonly #groups: readonly TopicGroup[];

  private constructor(groups: readonly TopicGroup[]) {
    this.#groups = groups;
  }

  /** Null when the config has no such rules: then the brokers create topics by their own defaults. */
  static of(config: RawConfig): TopicCreationRules | null {
    if (config['topic.creation.default.replication.factor'] === undefined) return null;
    const aliases = (config['topic.creation.groups'] ?? '').split(',').map((alias) => alias.trim());
    const groups = [...aliases.filter((alias) => alias !== '' && alias !== 'default'), 'default'].map(
      (alias) => {
        const given = withPrefix(config, `topic.creation.${alias}.`);
        const settings =
          alias === 'default' ? given : { ...withPrefix(config, 'topic.creation.default.'), ...given };
        return {
          include: alias === 'default' ? [/.*/] : patterns(given['include']),
          exclude: patterns(given['exclude']),
          settings,
        };
      },
    );
    return new TopicCreationRules(groups);
  }

  /** The settings of the first group whose patterns the whole name meets. */
  settingsFor(topic: string): WantedTopic {
    const group = this.#groups.find(
      ({ include, exclude }) =>
        include.some((pattern) => pattern.test(topic)) && !exclude.some((pattern) => pattern.test(topic)),
    );
    const {
      partitions,
      'replication.factor': replicationFactor,
      include: _include,
      exclude: _exclude,
      ...config
    } = group?.settings ?? {};
    return {
      topic,
      partitions: Number(partitions ?? -1),
      replicationFactor: Number(replicationFactor ?? -1),
      config,
    };
  }
}

function patterns(list: string | undefined): RegExp[] {
  return (list ?? '')
    .split(',')
    .map((pattern) => pattern.trim())
    .filter((pattern) => pattern !== '')
    .map((pattern) => new RegExp(`^(?:${pattern})$`));
}

/** Makes sure of a source connector's topic, where its config has rules and the worker lets it. */
export function topicCreator(
  rules: TopicCreationRules | null,
  admin: Admin,
  logger: Logger,
): (topic: string) => Promise<void> {
  return async (topic) => {
    if (!rules) return;
    try {
      await ensureTopic(admin, logger, rules.settingsFor(topic));
    } catch (error) {
      // Without the right to create topics the brokers may still create them by themselves.
      logger.warn({ err: error, topic }, `the topic could not be created: ${messageOf(error)}`);
    }
  };
}
