// Puts a mask in place of the text in one field of the value. A record without that field passes as it is.
import type { ConnectRecord, Transformation, TransformationPlugin } from '@millrace/connect-api';
import { ArrayStruct, Struct } from '@millrace/data';
import { ConfigDef, type RawConfig } from '@millrace/foundation';
import { maskError } from './errors.ts';

const configDef: ConfigDef = new ConfigDef([
  { name: 'field', type: 'STRING', importance: 'HIGH', doc: 'Field of the value whose text is masked.' },
  { name: 'mask', type: 'STRING', default: '***', importance: 'LOW', doc: 'What stands in its place.' },
]);

export class MaskText implements Transformation {
  #field = '';
  #mask = '';

  configure(settings: RawConfig): void {
    const { config } = configDef.parseOrThrow(settings);
    this.#field = config.string('field');
    this.#mask = config.string('mask');
  }

  /** Records are shared: what changes is a copy. The schema stays the same object, or all after it is compiled anew. */
  apply<R extends ConnectRecord>(record: R): R | null {
    const { value } = record;
    if (value instanceof Struct) {
      const field = value.schema.field(this.#field);
      if (!field || value.at(field.index) === null) return record;
      if (field.schema.type !== 'string') throw this.#noText(field.schema.type);
      const values = value.toArray();
      values[field.index] = this.#mask;
      return record.with({ value: new ArrayStruct(value.schema, values) });
    }
    if (value instanceof Map) {
      const text: unknown = value.get(this.#field) ?? null;
      if (text === null) return record;
      if (typeof text !== 'string') throw this.#noText(typeof text);
      return record.with({ value: new Map(value).set(this.#field, this.#mask) });
    }
    return record;
  }

  /** Errors name places, never what stands there. */
  #noText(type: string): Error {
    return maskError('mask-text.no_text', `The field ${this.#field} is no text but ${type}`);
  }
}

export const plugin: TransformationPlugin = {
  kind: 'transformation',
  className: 'com.example.MaskText',
  version: '0.1.0',
  configDef,
  create: () => new MaskText(),
};
