// What a transactional id answers to its producers: which requests are fenced, repeated or refused, and which epoch
// comes next. The order of the checks is Kafka's (TransactionCoordinator and TransactionMetadata of 4.3).
import { KafkaErrors } from '@millrace/kafka-protocol';
import type { ErrorAnswer } from '../broker-state.ts';
import { LAST_EPOCH, NO_EPOCH, type ProducerIdentity, type Transaction } from './transaction.ts';

/** Who asks must hold the id, in its current epoch. */
export function identityProblem(txn: Transaction, asked: ProducerIdentity): ErrorAnswer | undefined {
  if (asked.producerId !== txn.stored.producerId) return KafkaErrors.INVALID_PRODUCER_ID_MAPPING;
  return asked.producerEpoch === txn.stored.producerEpoch ? undefined : KafkaErrors.PRODUCER_FENCED;
}

/** How InitProducerId goes on: with the next epoch, with a new id, with the answer given before, or not. */
export type InitStep =
  | { readonly kind: 'bump'; readonly epoch: number; readonly lastEpoch: number }
  | { readonly kind: 'rotate'; readonly lastEpoch: number }
  | { readonly kind: 'repeat' }
  | { readonly kind: 'refuse'; readonly error: ErrorAnswer };

const FENCED: InitStep = { kind: 'refuse', error: KafkaErrors.PRODUCER_FENCED };

/** `expected` is who the client says it was (KIP-360): a producer that goes on after an error. */
export function initStep(txn: Transaction, expected: ProducerIdentity | undefined): InitStep {
  const { producerId, previousProducerId, producerEpoch } = txn.stored;
  if (producerEpoch === NO_EPOCH) return { kind: 'bump', epoch: 0, lastEpoch: NO_EPOCH };
  if (!expected) {
    return txn.isExhausted
      ? { kind: 'rotate', lastEpoch: NO_EPOCH }
      : { kind: 'bump', epoch: producerEpoch + 1, lastEpoch: NO_EPOCH };
  }
  const isCurrent = expected.producerId === producerId;
  const isRotated = expected.producerId === previousProducerId && expected.producerEpoch >= LAST_EPOCH;
  if (!isCurrent && !isRotated) return FENCED;
  if (isCurrent && expected.producerEpoch === producerEpoch) {
    return txn.isExhausted
      ? { kind: 'rotate', lastEpoch: producerEpoch }
      : { kind: 'bump', epoch: producerEpoch + 1, lastEpoch: producerEpoch };
  }
  // Its answer was lost. Another producer would have set the last epoch back.
  return txn.lastEpoch !== NO_EPOCH && expected.producerEpoch === txn.lastEpoch ? { kind: 'repeat' } : FENCED;
}

/** How EndTxn goes on: decide now, the same was decided before, or not. */
export type EndStep =
  | { readonly kind: 'prepare' }
  | { readonly kind: 'repeat' }
  | { readonly kind: 'refuse'; readonly error: ErrorAnswer };

const PREPARE: EndStep = { kind: 'prepare' };
const REPEAT: EndStep = { kind: 'repeat' };

function refuse(error: ErrorAnswer): EndStep {
  return { kind: 'refuse', error };
}

/** EndTxn of versions before 5, whose transactions all have the same epoch. */
export function endStepV1(txn: Transaction, asked: ProducerIdentity, commit: boolean): EndStep {
  const problem = identityProblem(txn, asked);
  if (problem) return refuse(problem);
  const { state } = txn.stored;
  if (state === 'Ongoing') return PREPARE;
  if (state === (commit ? 'PrepareCommit' : 'PrepareAbort'))
    return refuse(KafkaErrors.CONCURRENT_TRANSACTIONS);
  return state === (commit ? 'CompleteCommit' : 'CompleteAbort')
    ? REPEAT
    : refuse(KafkaErrors.INVALID_TXN_STATE);
}

/**
 * EndTxn from version 5 on (KIP-890): each transaction ends with the next epoch, so that the epoch before it tells a
 * retry from the end of the next one.
 */
export function endStepV2(txn: Transaction, asked: ProducerIdentity, commit: boolean): EndStep {
  const { producerId, previousProducerId, producerEpoch, state } = txn.stored;
  const isRotated =
    asked.producerId === previousProducerId && asked.producerEpoch === LAST_EPOCH && producerEpoch === 0;
  if (asked.producerId !== producerId && !isRotated) return refuse(KafkaErrors.INVALID_PRODUCER_ID_MAPPING);
  const isNew = asked.producerEpoch === producerEpoch && asked.producerId === producerId;
  const isRetry =
    (isRotated && !isNew) || (asked.producerId === producerId && asked.producerEpoch + 1 === producerEpoch);
  switch (state) {
    case 'Ongoing':
      return isNew ? PREPARE : refuse(KafkaErrors.PRODUCER_FENCED);
    case 'Empty':
      if (!isNew) return refuse(KafkaErrors.PRODUCER_FENCED);
      return commit ? refuse(KafkaErrors.INVALID_TXN_STATE) : PREPARE;
    case 'PrepareCommit':
    case 'PrepareAbort': {
      if (!isRetry) return refuse(KafkaErrors.PRODUCER_FENCED);
      const isSame = commit === (state === 'PrepareCommit');
      return refuse(isSame ? KafkaErrors.CONCURRENT_TRANSACTIONS : KafkaErrors.INVALID_TXN_STATE);
    }
    case 'CompleteCommit':
    case 'CompleteAbort': {
      if (isRetry) {
        const isSame = commit === (state === 'CompleteCommit');
        return isSame ? REPEAT : refuse(KafkaErrors.INVALID_TXN_STATE);
      }
      if (!isNew) return refuse(KafkaErrors.PRODUCER_FENCED);
      return commit ? refuse(KafkaErrors.INVALID_TXN_STATE) : PREPARE;
    }
    case 'Dead':
      return refuse(KafkaErrors.INVALID_PRODUCER_ID_MAPPING);
    default:
      return state satisfies never;
  }
}
