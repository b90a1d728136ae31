// org.apache.kafka.connect.transforms.predicates.TopicNameMatches: the whole topic name matches a pattern.
import type { ConnectRecord, Predicate } from '@millrace/connect-api';
import { ConfigDef, javaRegexWhole, type RawConfig } from '@millrace/foundation';
import { validRegex } from '../config-keys.ts';
import { parseSettings } from '../validated-config.ts';

export const topicNameMatchesConfig: ConfigDef = new ConfigDef([
  {
    name: 'pattern',
    type: 'STRING',
    importance: 'MEDIUM',
    doc: "A Java regular expression for matching against the name of a record's topic.",
    validator: (value, name) => (value === '' ? 'String must be non-empty' : validRegex(value, name)),
  },
]);

export class TopicNameMatches implements Predicate {
  #pattern = /^$/;

  configure(settings: RawConfig): void {
    this.#pattern = javaRegexWhole(parseSettings(topicNameMatchesConfig, settings).string('pattern'));
  }
  test(record: ConnectRecord): boolean {
    return this.#pattern.test(record.topic);
  }
}
