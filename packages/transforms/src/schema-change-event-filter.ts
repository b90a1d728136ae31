// io.debezium.transforms.SchemaChangeEventFilter: drops events of the schema change topic by the kind of their change.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { Struct } from '@millrace/data';
import { ConfigDef, MillraceError, type RawConfig } from '@millrace/foundation';
import { debeziumKey, requiredValue } from './debezium-keys.ts';
import { validatedByKey } from './validated-config.ts';

const KINDS: readonly string[] = ['CREATE', 'ALTER', 'DROP', 'TRUNCATE', 'DATABASE'];

export const schemaChangeEventFilterConfig: ConfigDef = new ConfigDef([
  debeziumKey(
    'schema.change.event.exclude.list',
    'Schema change event exclude list',
    'The kinds of schema changes to drop: CREATE, ALTER, DROP, TRUNCATE, DATABASE.',
    { width: 'SHORT', validator: requiredValue },
  ),
]);

export class SchemaChangeEventFilter implements Transformation {
  #excluded: ReadonlySet<string> = new Set();

  configure(settings: RawConfig): void {
    const key = 'schema.change.event.exclude.list';
    const config = validatedByKey(schemaChangeEventFilterConfig, settings);
    const kinds = config
      .string(key)
      .split(',')
      .map((kind) => kind.trim());
    const unknown = kinds.find((kind) => !KINDS.includes(kind));
    if (unknown !== undefined) {
      throw new MillraceError(
        'config.invalid',
        `No enum constant io.debezium.schema.SchemaChangeEvent.SchemaChangeEventType.${unknown}`,
        {
          configKey: key,
          javaClass: 'java.lang.IllegalArgumentException',
          hint: `Use ${KINDS.join(', ')}, in capital letters.`,
        },
      );
    }
    this.#excluded = new Set(kinds);
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const event = record.value;
    if (!(event instanceof Struct) || !event.schema.name?.endsWith('SchemaChangeValue')) return record;
    if (!event.schema.field('tableChanges')) return record;
    const changes = event.getRaw('tableChanges');
    // The first change decides, as in Debezium.
    const first: unknown = Array.isArray(changes) ? changes[0] : undefined;
    const type = first instanceof Struct && first.schema.field('type') ? first.getRaw('type') : null;
    return typeof type === 'string' && this.#excluded.has(type) ? null : record;
  }
}
