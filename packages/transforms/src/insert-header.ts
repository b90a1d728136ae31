// org.apache.kafka.connect.transforms.InsertHeader: adds a header with a constant value.
import type { ConnectRecord, Header, Transformation } from '@millrace/connect-api';
import { parseValueText, STRING } from '@millrace/data';
import { ConfigDef, type RawConfig, type Validator } from '@millrace/foundation';
import { parseSettings } from './validated-config.ts';

const present: Validator = (value) => (value === null ? 'entry must be non null' : undefined);

export const insertHeaderConfig: ConfigDef = new ConfigDef([
  { name: 'header', type: 'STRING', importance: 'HIGH', doc: 'The name of the header.', validator: present },
  {
    name: 'value.literal',
    type: 'STRING',
    importance: 'HIGH',
    doc: 'The literal value that is to be set as the header value on all records.',
    validator: present,
  },
]);

export class InsertHeader implements Transformation {
  #header: Header = { key: '', schema: null, value: null };

  configure(settings: RawConfig): void {
    const config = parseSettings(insertHeaderConfig, settings);
    const literal = config.string('value.literal');
    const { schema, value } = literal === '' ? { schema: STRING, value: '' } : parseValueText(literal);
    this.#header = { key: config.string('header'), schema, value };
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    return record.with({ headers: [...record.headers, this.#header] });
  }
}
