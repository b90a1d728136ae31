// org.apache.kafka.connect.transforms.SetSchemaMetadata$Key/$Value: another name or version for a struct's schema.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { Struct } from '@millrace/data';
import { ConfigDef, MillraceError, type RawConfig } from '@millrace/foundation';
import { REPLACE_NULL_WITH_DEFAULT } from './config-keys.ts';
import { recordError } from './errors.ts';
import { fieldValue, SchemaCache, type SideName, schemaOf, structOf, valueOf, withSide } from './side.ts';
import { parseSettings } from './validated-config.ts';

export const setSchemaMetadataConfig: ConfigDef = new ConfigDef([
  {
    name: 'schema.name',
    type: 'STRING',
    default: null,
    importance: 'HIGH',
    doc: 'Schema name to set.',
  },
  {
    name: 'schema.version',
    type: 'INT',
    default: null,
    importance: 'HIGH',
    doc: 'Schema version to set.',
  },
  REPLACE_NULL_WITH_DEFAULT,
]);

export class SetSchemaMetadata implements Transformation {
  readonly #side: SideName;
  #fillDefaults = true;
  #schemas = new SchemaCache((schema) => schema);

  constructor(side: SideName) {
    this.#side = side;
  }

  configure(settings: RawConfig): void {
    const config = parseSettings(setSchemaMetadataConfig, settings);
    const name = config.optionalString('schema.name');
    const version = config.optionalInt('schema.version');
    if (name === undefined && version === undefined) {
      throw new MillraceError('config.invalid', 'Neither schema name nor version configured', {
        javaClass: 'org.apache.kafka.common.config.ConfigException',
        configKey: 'schema.name',
      });
    }
    this.#fillDefaults = config.boolean('replace.null.with.default');
    this.#schemas = new SchemaCache((schema) =>
      schema.with({ ...(name === undefined ? {} : { name }), ...(version === undefined ? {} : { version }) }),
    );
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const value = valueOf(this.#side, record);
    const schema = schemaOf(this.#side, record);
    if (schema === null) {
      if (value === null) return record;
      throw recordError('Schema required for [updating schema metadata]');
    }
    if (schema.type !== 'struct') throw recordError('Cannot list fields on non-struct type');
    const updated = this.#schemas.of(schema);
    if (!(value instanceof Struct)) return withSide(this.#side, record, updated, value);
    const values = value.schema.fields.map((field) => fieldValue(value, field.index, this.#fillDefaults));
    return withSide(this.#side, record, updated, structOf(updated, values));
  }
}
