// io.debezium.transforms.ExtractChangedRecordState: lists in headers which columns an update changed.
import type { ConnectRecord, Header, Transformation } from '@millrace/connect-api';
import { arraySchema, isEnvelope, optional, type Schema, STRING, Struct, sameValue } from '@millrace/data';
import { ConfigDef, type RawConfig } from '@millrace/foundation';
import { debeziumKey } from './debezium-keys.ts';
import { DeleteHeaders, withHeaders } from './delete-headers.ts';
import { noSuchField } from './errors.ts';
import { validatedByKey } from './validated-config.ts';

const LOW = { importance: 'LOW', width: 'LONG' } as const;

export const extractChangedRecordStateConfig: ConfigDef = new ConfigDef([
  debeziumKey(
    'header.changed.name',
    'Header change name.',
    'The name of the header that lists the fields an update changed.',
    LOW,
  ),
  debeziumKey(
    'header.unchanged.name',
    'Header unchanged name.',
    'The name of the header that lists the fields an update left as they were.',
    LOW,
  ),
]);

export class ExtractChangedRecordState implements Transformation {
  #changed: ListHeader | undefined;
  #unchanged: ListHeader | undefined;
  readonly #headers = new DeleteHeaders();

  configure(settings: RawConfig): void {
    const config = validatedByKey(extractChangedRecordStateConfig, settings);
    const changed = config.optionalString('header.changed.name');
    const unchanged = config.optionalString('header.unchanged.name');
    this.#changed = changed?.trim() ? listHeader(changed) : undefined;
    this.#unchanged = unchanged?.trim() ? listHeader(unchanged) : undefined;
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    if (!this.#changed && !this.#unchanged) return record;
    const event = record.value;
    if (event === null) return withHeaders(record, this.#headers.before(record));
    if (!(event instanceof Struct) || !isEnvelope(record.valueSchema)) return record;
    const [after, before] = ['after', 'before'].map((name) => {
      // It was flattened, say, and has kept the name of its schema.
      if (event.schema.field(name) === undefined) throw noSuchField(name);
      return event.getRaw(name);
    });
    const changed: string[] = [];
    const unchanged: string[] = [];
    if (before instanceof Struct && after instanceof Struct) {
      for (const { name, index } of after.schema.fields) {
        const was = before.schema.field(name) ? before.getRaw(name) : null;
        (sameValue(was, after.at(index)) ? unchanged : changed).push(name);
      }
    }
    const more: Header[] = [];
    if (this.#changed) more.push({ ...this.#changed, value: changed });
    if (this.#unchanged) more.push({ ...this.#unchanged, value: unchanged });
    return record.with({ headers: this.#headers.add(record, more) });
  }
}

interface ListHeader {
  readonly key: string;
  readonly schema: Schema;
}

function listHeader(name: string): ListHeader {
  return { key: name, schema: arraySchema(optional(STRING), { name, optional: true }) };
}
