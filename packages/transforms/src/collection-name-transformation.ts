// io.debezium.connector.jdbc.transforms.CollectionNameTransformation: another style for topic names, which a JDBC sink
// takes for table names.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { ConfigDef, type RawConfig } from '@millrace/foundation';
import { namer, namingKey } from './naming-style.ts';
import { parseSettings } from './validated-config.ts';

export const collectionNameTransformationConfig: ConfigDef = new ConfigDef([
  namingKey('collection', 'prefix', {}),
  namingKey('collection', 'suffix', {}),
  namingKey('collection', 'style', {}),
]);

export class CollectionNameTransformation implements Transformation {
  #rename = (name: string): string => name;

  configure(settings: RawConfig): void {
    const config = parseSettings(collectionNameTransformationConfig, settings);
    this.#rename = namer(
      config.string('collection.naming.style'),
      config.string('collection.naming.prefix'),
      config.string('collection.naming.suffix'),
      'collection.naming.style',
    );
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const topic = this.#rename(record.topic);
    return topic === record.topic ? record : record.with({ topic });
  }
}
