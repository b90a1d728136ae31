// Where keys lie in the order of their table, as the server says it: for keys whose texts do not tell.
import type { Logger } from '@millrace/foundation';
import type pg from 'pg';
import { isAboutSession, sqlStateOf } from '../errors.ts';
import { qualified, type TableName } from '../schema/catalog.ts';
import { type OrderKey, sameOrder } from './key-order.ts';
import { afterSql, readKey, valueSql } from './table-key.ts';

export interface KeyQuestion {
  readonly table: TableName;
  /** The order that is meant. */
  readonly key: readonly OrderKey[];
  /** Ascending. */
  readonly places: readonly (readonly string[])[];
  readonly keys: readonly (readonly string[])[];
}

/**
 * For each of the keys, how many of the places it lies after; undefined when the server cannot tell: the table has
 * another order by now, or is gone, or a text is no value of its type any more.
 * @throws when the connection breaks
 */
export async function knownPlaces(
  client: pg.Client,
  question: KeyQuestion,
  logger: Logger,
): Promise<readonly number[] | undefined> {
  let state: string | undefined;
  try {
    const places = await askPlaces(client, question);
    if (places !== undefined) return places;
  } catch (error) {
    if (isAboutSession(error)) throw error;
    // What the server says has the value in it.
    state = sqlStateOf(error);
  }
  logger.warn(
    { table: qualified(question.table), sqlState: state },
    'the order that a snapshot has read a table in is not known any more: all changes that were made meanwhile are delivered, so that rows may be seen as they were before',
  );
  return undefined;
}

/** One query beside that of the catalog. */
async function askPlaces(
  client: pg.Client,
  { table, key, places, keys }: KeyQuestion,
): Promise<readonly number[] | undefined> {
  const columns = await readKey(client, table);
  if (columns === undefined || !sameOrder(key, columns)) return undefined;
  const rowSql = (texts: readonly string[], number: number): string =>
    `(${[number, ...columns.map((column, i) => valueSql(column, texts[i] ?? ''))].join(', ')})`;
  const names = columns.map((_, i) => `c${i}`).join(', ');
  const of = (alias: string): string[] => columns.map((_, i) => `${alias}.c${i}`);
  const { rows } = await client.query<{ place: number }>(
    `select (select count(*) from (values ${places.map(rowSql).join(', ')}) as p(i, ${names})
              where ${afterSql(columns, of('k'), of('p'))})::int4 as place
       from (values ${keys.map(rowSql).join(', ')}) as k(i, ${names}) order by k.i`,
  );
  return rows.map(({ place }) => place);
}
