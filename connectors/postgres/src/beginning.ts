// Where a run begins, until the offset of one of its records is stored. It is kept beside the offsets and not as one of
// them: as with Debezium, there is none before the first record, also where that one fails.
import { createHash } from 'node:crypto';
import {
  type OffsetMap,
  privatePartition,
  type SourcePartition,
  type SourceTaskContext,
} from '@millrace/connect-api';
import type { PrivateRecords } from '@millrace/connector-common';
import { parseOffset, type StoredOffset } from './offset.ts';

/** The key that says which offset of records was stored before. */
const INSTEAD_OF = 'instead_of';

export interface BeginningOptions {
  readonly offsets: SourceTaskContext['offsets'];
  readonly sourcePartition: SourcePartition;
  readonly records: PrivateRecords;
}

export class Beginning {
  readonly #options: BeginningOptions;
  readonly #partition: SourcePartition;
  /** The offset of records that is stored. */
  readonly ofRecords: StoredOffset | undefined;
  readonly #insteadOf: string;
  readonly #kept: StoredOffset | undefined;

  private constructor(options: BeginningOptions, ofRecords: OffsetMap | null, kept: OffsetMap | null) {
    this.#options = options;
    this.#partition = partitionOf(options);
    this.ofRecords = parseOffset(ofRecords);
    this.#insteadOf = digestOf(this.ofRecords);
    const { [INSTEAD_OF]: replaced, ...offset } = kept ?? {};
    this.#kept = replaced === this.#insteadOf ? parseOffset(offset) : undefined;
  }

  /** Reads what earlier runs have stored. */
  static async read(options: BeginningOptions): Promise<Beginning> {
    const { offsets, sourcePartition } = options;
    const ofRecords = await offsets.offset(sourcePartition);
    return new Beginning(options, ofRecords, await offsets.offset(partitionOf(options)));
  }

  /**
   * What to go on from: where the last run began, if none of its records has an offset yet and this one begins in the same
   * way, with or without reading the tables.
   */
  goesOnFrom(readsData: boolean): StoredOffset | undefined {
    const isOfSnapshot = this.#kept?.snapshot?.complete === false;
    return this.#kept !== undefined && isOfSnapshot === readsData ? this.#kept : this.ofRecords;
  }

  /** Resolves once it is stored where this run begins. */
  keep(offset: OffsetMap): Promise<void> {
    return this.#options.records.keep(this.#partition, { ...offset, [INSTEAD_OF]: this.#insteadOf });
  }
}

function partitionOf({ sourcePartition }: BeginningOptions): SourcePartition {
  return privatePartition(sourcePartition, 'beginning');
}

/** Tells offsets apart, whatever order and types of numbers their store gives back. */
function digestOf(offset: StoredOffset | undefined): string {
  if (offset === undefined) return 'none';
  const entries = Object.entries(offset.map).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify(entries, (_, value: unknown) =>
    typeof value === 'bigint' || typeof value === 'number' ? String(value) : value,
  );
  return createHash('sha256').update(text).digest('base64');
}
