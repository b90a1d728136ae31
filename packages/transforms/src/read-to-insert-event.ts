// io.debezium.connector.mysql.transforms.ReadToInsertEvent: events of a snapshot become inserts.
import type { ConnectRecord, Transformation } from '@millrace/connect-api';
import { isEnvelope, Struct } from '@millrace/data';
import { ConfigDef } from '@millrace/foundation';
import { structOf } from './side.ts';

export const readToInsertEventConfig: ConfigDef = new ConfigDef([]);

export class ReadToInsertEvent implements Transformation {
  configure(): void {
    // It has no settings.
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    const event = record.value;
    if (!(event instanceof Struct) || !isEnvelope(record.valueSchema)) return record;
    const op = event.schema.field('op');
    if (!op || event.at(op.index) !== 'r') return record;
    const values = event.toArray();
    values[op.index] = 'c';
    return record.with({ value: structOf(event.schema, values) });
  }
}
