// org.apache.kafka.connect.transforms.HoistField$Key/$Value: wraps the whole in a struct or map of one field.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { type Schema, structSchema } from '@millrace/data';
import { ConfigDef, type RawConfig } from '@millrace/foundation';
import { SchemaCache, type SideName, schemaOf, structOf, valueOf, withSide } from './side.ts';
import { parseSettings } from './validated-config.ts';

export const hoistFieldConfig: ConfigDef = new ConfigDef([
  {
    name: 'field',
    type: 'STRING',
    importance: 'MEDIUM',
    doc: 'Field name for the single field that will be created in the resulting Struct or Map.',
  },
]);

export class HoistField implements Transformation {
  readonly #side: SideName;
  #field = '';
  #schemas = new SchemaCache((schema) => this.#wrap(schema));

  constructor(side: SideName) {
    this.#side = side;
  }

  configure(settings: RawConfig): void {
    this.#field = parseSettings(hoistFieldConfig, settings).string('field');
    this.#schemas = new SchemaCache((schema) => this.#wrap(schema));
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const value = valueOf(this.#side, record);
    const schema = schemaOf(this.#side, record);
    if (schema === null) return withSide(this.#side, record, null, new Map([[this.#field, value]]));
    const wrapped = this.#schemas.of(schema);
    return withSide(this.#side, record, wrapped, structOf(wrapped, [value]));
  }

  #wrap(schema: Schema): Schema {
    return structSchema([[this.#field, schema]]);
  }
}
