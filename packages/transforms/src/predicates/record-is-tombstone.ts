// org.apache.kafka.connect.transforms.predicates.RecordIsTombstone: the record has no value.
import type { ConnectRecord, Predicate } from '@millrace/connect-api';
import { ConfigDef } from '@millrace/foundation';

export const recordIsTombstoneConfig: ConfigDef = new ConfigDef([]);

export class RecordIsTombstone implements Predicate {
  configure(): void {
    // It has no settings.
  }
  test(record: ConnectRecord): boolean {
    return record.value === null;
  }
}
