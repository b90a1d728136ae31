// The `source` block of Postgres records: its schema, and templates whose constant part is prepared once
// per table or per table and transaction.
import {
  CONTRACT_VERSION,
  INT64,
  optional,
  type Schema,
  STRING,
  StructTemplate,
  sourceSchema,
  TemplateStruct,
  VARYING,
  VaryingText,
} from '@millrace/data';
import type { Lsn } from './protocol/lsn.ts';
import type { TableName } from './schema/catalog.ts';

const OPTIONAL_INT64 = optional(INT64);

export const SOURCE_SCHEMA: Schema = sourceSchema('io.debezium.connector.postgresql.Source', [
  ['schema', STRING],
  ['table', STRING],
  ['txId', OPTIONAL_INT64],
  ['lsn', OPTIONAL_INT64],
  ['xmin', OPTIONAL_INT64],
  ['origin', optional(STRING)],
  ['origin_lsn', OPTIONAL_INT64],
]);

export type SnapshotMarker =
  | 'true'
  | 'first'
  | 'first_in_data_collection'
  | 'last_in_data_collection'
  | 'last'
  | 'incremental';

/** One moment in the three units that records carry. */
export interface Moment {
  readonly ms: number;
  readonly us: number;
  readonly ns: bigint;
}

export function momentOfUs(us: number): Moment {
  return { ms: Math.floor(us / 1000), us, ns: BigInt(us) * 1000n };
}

export function momentOfNs(ns: bigint): Moment {
  const us = Number(ns / 1000n);
  return { ms: Math.floor(us / 1000), us, ns };
}

/** What the source blocks of one connector share. */
export interface SourceIdentity {
  readonly logicalName: string;
  readonly database: string;
}

/** What the source blocks of one transaction share. */
export interface SourceTransaction {
  readonly xid: number | null;
  readonly committed: Moment;
  readonly lastCommitLsn: Lsn | null;
  readonly xmin: number | null;
  readonly origin: string | null;
  readonly originLsn: Lsn | null;
}

/** A template for the changes of one transaction to one table: only `sequence` and `lsn` vary. */
export function transactionSource(
  identity: SourceIdentity,
  table: TableName,
  transaction: SourceTransaction,
): StructTemplate {
  const { committed, lastCommitLsn } = transaction;
  return new StructTemplate(SOURCE_SCHEMA, [
    CONTRACT_VERSION,
    'postgresql',
    identity.logicalName,
    committed.ms,
    null,
    identity.database,
    new VaryingText(sequenceStart(lastCommitLsn), SEQUENCE_END),
    committed.us,
    committed.ns,
    table.schema,
    table.table,
    transaction.xid,
    VARYING,
    transaction.xmin,
    transaction.origin,
    transaction.originLsn,
  ]);
}

/** A template for the changes to one table in transactions that are too small for one of their own. */
export function tableSource(identity: SourceIdentity, table: TableName): StructTemplate {
  return new StructTemplate(SOURCE_SCHEMA, [
    CONTRACT_VERSION,
    'postgresql',
    identity.logicalName,
    VARYING,
    null,
    identity.database,
    VARYING,
    VARYING,
    VARYING,
    table.schema,
    table.table,
    VARYING,
    VARYING,
    VARYING,
    VARYING,
    VARYING,
  ]);
}

/** The source of a change, from the template of its table. */
export function singleSource(
  template: StructTemplate,
  transaction: SourceTransaction,
  lsn: Lsn,
): TemplateStruct {
  const { committed, lastCommitLsn, xid, xmin, origin, originLsn } = transaction;
  return new TemplateStruct(template, [
    committed.ms,
    sequenceText(lastCommitLsn, lsn),
    committed.us,
    committed.ns,
    xid,
    lsn,
    xmin,
    origin,
    originLsn,
  ]);
}

/** `["<last commit>","<lsn>"]`, the last commit null before the first. */
export function sequenceText(lastCommitLsn: Lsn | null, lsn: Lsn): string {
  return `${sequenceStart(lastCommitLsn)}${lsn}${SEQUENCE_END}`;
}

const SEQUENCE_END = '"]';

function sequenceStart(lastCommitLsn: Lsn | null): string {
  return lastCommitLsn === null ? '[null,"' : `["${lastCommitLsn}","`;
}

/** The source of a change, from the template of its transaction and table. */
export function changeSource(template: StructTemplate, lsn: Lsn): TemplateStruct {
  // The null keeps it an array of objects: one of nothing but doubles is copied when it is read as such.
  return new TemplateStruct(template, [lsn, lsn, null]);
}

/** A template for the snapshot rows of one table with one marker: nothing varies. */
export function snapshotSource(
  identity: SourceIdentity,
  table: TableName,
  marker: SnapshotMarker,
  at: {
    readonly lsn: Lsn | null;
    readonly xid: number | null;
    readonly moment: Moment;
    /** Absent = that of `lsn`. */
    readonly sequence?: string;
  },
): TemplateStruct {
  const template = new StructTemplate(SOURCE_SCHEMA, [
    CONTRACT_VERSION,
    'postgresql',
    identity.logicalName,
    at.moment.ms,
    marker,
    identity.database,
    at.sequence ?? (at.lsn === null ? null : sequenceText(null, at.lsn)),
    at.moment.us,
    at.moment.ns,
    table.schema,
    table.table,
    at.xid,
    at.lsn,
    null,
    null,
    null,
  ]);
  return new TemplateStruct(template, []);
}
