// org.apache.kafka.connect.transforms.predicates.HasHeaderKey: the record has a header of that name.
import type { ConnectRecord, Predicate } from '@millrace/connect-api';
import { ConfigDef, type RawConfig, validators } from '@millrace/foundation';
import { parseSettings } from '../validated-config.ts';

export const hasHeaderKeyConfig: ConfigDef = new ConfigDef([
  {
    name: 'name',
    type: 'STRING',
    importance: 'MEDIUM',
    doc: 'The header name.',
    validator: validators.nonEmpty(),
  },
]);

export class HasHeaderKey implements Predicate {
  #name = '';

  configure(settings: RawConfig): void {
    this.#name = parseSettings(hasHeaderKeyConfig, settings).string('name');
  }
  test(record: ConnectRecord): boolean {
    return record.headers.some((header) => header.key === this.#name);
  }
}
