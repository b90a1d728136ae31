// org.apache.kafka.connect.transforms.DropHeaders: removes headers by name.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { ConfigDef, type RawConfig, validators } from '@millrace/foundation';
import { parseSettings } from './validated-config.ts';

export const dropHeadersConfig: ConfigDef = new ConfigDef([
  {
    name: 'headers',
    type: 'LIST',
    importance: 'HIGH',
    doc: 'The name of the headers to be removed.',
    validator: validators.list('required'),
  },
]);

export class DropHeaders implements Transformation {
  #names: ReadonlySet<string> = new Set();

  configure(settings: RawConfig): void {
    this.#names = new Set(parseSettings(dropHeadersConfig, settings).list('headers'));
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    if (!record.headers.some(({ key }) => this.#names.has(key))) return record;
    return record.with({ headers: record.headers.filter(({ key }) => !this.#names.has(key)) });
  }
}
