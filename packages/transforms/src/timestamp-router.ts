// org.apache.kafka.connect.transforms.TimestampRouter: puts the record's topic and timestamp into a new topic name.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { ConfigDef, type RawConfig } from '@millrace/foundation';
import { recordError } from './errors.ts';
import { JavaDateFormat } from './java-date-format.ts';
import { parseSettings } from './validated-config.ts';

export const timestampRouterConfig: ConfigDef = new ConfigDef([
  {
    name: 'topic.format',
    type: 'STRING',
    default: '${topic}-${timestamp}',
    importance: 'HIGH',
    doc: 'Format string which can contain <code>${topic}</code> and <code>${timestamp}</code> as placeholders for the topic and timestamp, respectively.',
  },
  {
    name: 'timestamp.format',
    type: 'STRING',
    default: 'yyyyMMdd',
    importance: 'HIGH',
    doc: 'Format string for the timestamp that is compatible with <code>java.text.SimpleDateFormat</code>.',
  },
]);

export class TimestampRouter implements Transformation {
  #topicFormat = '';
  #pattern = '';
  #format: JavaDateFormat | undefined;

  configure(settings: RawConfig): void {
    const config = parseSettings(timestampRouterConfig, settings);
    this.#topicFormat = config.string('topic.format');
    this.#pattern = config.string('timestamp.format');
    this.#format = undefined;
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    if (record.timestamp === null) {
      throw recordError(`Timestamp missing on record: topic ${record.topic}`);
    }
    // A bad pattern is an error of the first record, as in Connect.
    this.#format ??= new JavaDateFormat(this.#pattern);
    const timestamp = this.#format.format(record.timestamp);
    const topic = this.#topicFormat
      .replaceAll('${topic}', () => record.topic)
      .replaceAll('${timestamp}', () => timestamp);
    return record.with({ topic });
  }
}
