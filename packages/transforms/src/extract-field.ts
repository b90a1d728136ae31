// org.apache.kafka.connect.transforms.ExtractField$Key/$Value: one field in place of the whole.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { ConfigDef, type RawConfig } from '@millrace/foundation';
import { FIELD_SYNTAX_VERSION, REPLACE_NULL_WITH_DEFAULT } from './config-keys.ts';
import { ILLEGAL_ARGUMENT, recordError } from './errors.ts';
import { FieldPath } from './field-path.ts';
import { requireMap, requireStruct, type SideName, schemaOf, valueOf, withSide } from './side.ts';
import { parseSettings } from './validated-config.ts';

const PURPOSE = 'field extraction';

export const extractFieldConfig: ConfigDef = new ConfigDef([
  { name: 'field', type: 'STRING', importance: 'MEDIUM', doc: 'Field name to extract.' },
  REPLACE_NULL_WITH_DEFAULT,
  FIELD_SYNTAX_VERSION,
]);

export class ExtractField implements Transformation {
  readonly #side: SideName;
  #name = '';
  #path = new FieldPath('', 'V1');
  #fillDefaults = true;

  constructor(side: SideName) {
    this.#side = side;
  }

  configure(settings: RawConfig): void {
    const config = parseSettings(extractFieldConfig, settings);
    this.#name = config.string('field');
    const version = config.string('field.syntax.version').toUpperCase() === 'V2' ? 'V2' : 'V1';
    this.#path = new FieldPath(this.#name, version);
    this.#fillDefaults = config.boolean('replace.null.with.default');
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const value = valueOf(this.#side, record);
    const schema = schemaOf(this.#side, record);
    if (schema === null) {
      const extracted = value === null ? null : this.#path.valueInMap(requireMap(value, PURPOSE));
      return withSide(this.#side, record, null, extracted);
    }
    const struct = value === null ? null : requireStruct(value, PURPOSE, schema);
    const field = this.#path.schemaIn(struct?.schema ?? schema);
    if (!field) throw recordError(`Unknown field: ${this.#name}`, ILLEGAL_ARGUMENT);
    const extracted = struct === null ? null : this.#path.valueIn(struct, this.#fillDefaults);
    return withSide(this.#side, record, field, extracted);
  }
}
