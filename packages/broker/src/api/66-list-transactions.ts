// 66 ListTransactions. The transactional ids of this broker, by state, producer and age.
//   v1 duration of the open transaction. v2, a pattern, is not offered: a client's regular expression would run on the
//   thread that serves everybody.
import { API } from '@millrace/kafka-protocol';
import { STATES, type TransactionState } from '../transactions/states.ts';
import type { Transaction } from '../transactions/transaction.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

interface ListTransactionsRequest {
  readonly stateFilters: readonly string[];
  readonly producerIdFilters: readonly (number | bigint)[];
  readonly durationFilter?: number | bigint;
}

/** Also a state by Kafka's count, though no transaction of this broker is seen in it. */
const KNOWN_STATES: ReadonlySet<string> = new Set([...STATES, 'PrepareEpochFence']);

export const listTransactions: RegisteredApi = defineApi<number>({
  key: API.ListTransactions,
  versions: [0, 1],
  handle: (body, { broker }) => {
    const { stateFilters, producerIdFilters, durationFilter } = body as unknown as ListTransactionsRequest;
    const unknownStateFilters = stateFilters.filter((name) => !KNOWN_STATES.has(name));
    const states = new Set(stateFilters);
    const producers = new Set(producerIdFilters.map(Number));
    const longerThanMs = Number(durationFilter ?? -1);
    const now = broker.clock.nowMs();
    const matches = ({ stored }: Transaction): boolean =>
      (stateFilters.length === 0 || states.has(stored.state)) &&
      (producers.size === 0 || producers.has(stored.producerId)) &&
      (longerThanMs < 0 || (isOpen(stored.state) && now - stored.startMs > longerThanMs));
    return {
      errorCode: 0,
      unknownStateFilters,
      transactionStates: [...broker.transactions.all()].filter(matches).map(({ id, stored }) => ({
        transactionalId: id,
        producerId: stored.producerId,
        transactionState: stored.state,
      })),
    };
  },
});

function isOpen(state: TransactionState): boolean {
  return state === 'Ongoing' || state === 'PrepareCommit' || state === 'PrepareAbort';
}
