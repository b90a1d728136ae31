// org.apache.kafka.connect.transforms.RegexRouter: renames the topic when the whole name matches.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { ConfigDef, javaRewrite, type RawConfig, type Rewrite } from '@millrace/foundation';
import { validRegex } from './config-keys.ts';
import { parseSettings } from './validated-config.ts';

export const regexRouterConfig: ConfigDef = new ConfigDef([
  {
    name: 'regex',
    type: 'STRING',
    importance: 'HIGH',
    doc: 'Regular expression to use for matching.',
    validator: validRegex,
  },
  { name: 'replacement', type: 'STRING', importance: 'HIGH', doc: 'Replacement string.' },
]);

const CACHED_TOPICS = 1000;

export class RegexRouter implements Transformation {
  #rewrite: Rewrite = () => undefined;
  /** New name by old name: topics are few. */
  #routes = new Map<string, string>();

  configure(settings: RawConfig): void {
    const config = parseSettings(regexRouterConfig, settings);
    this.#rewrite = javaRewrite(config.string('regex'), config.string('replacement'));
    this.#routes = new Map();
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const topic = this.#routes.get(record.topic) ?? this.#route(record.topic);
    return topic === record.topic ? record : record.with({ topic });
  }

  #route(topic: string): string {
    const routed = this.#rewrite(topic) ?? topic;
    if (this.#routes.size < CACHED_TOPICS) this.#routes.set(topic, routed);
    return routed;
  }
}
