// Which partitions of a transactional Produce may be written: those that are part of the producer's open transaction.
// Up to v11 they must have been added before; from v12 on they are added here (KIP-890), durably, before the first
// record of the transaction is in their logs. Batches of a transaction that is open in the partition pass at once.
import {
  API,
  BATCH_OVERHEAD,
  BATCH_TRANSACTIONAL,
  KafkaErrors,
  type RequestBody,
} from '@millrace/kafka-protocol';
import { type ErrorAnswer, partitionOf } from '../broker-state.ts';
import type { TopicPartition } from '../transactions/coordinator.ts';
import type { ProducerIdentity } from '../transactions/transaction.ts';
import { transactionFailure } from './answers.ts';
import type { RequestContext } from './definition.ts';

type ProduceRequest = RequestBody<typeof API.Produce>;
type PartitionData = ProduceRequest['topicData'][number]['partitionData'][number];

type Refusal = ErrorAnswer & { readonly text: string | null };

/** Why partitions of a request are refused, with the text the client is told. */
export type Refusals = ReadonlyMap<PartitionData, Refusal>;

const NO_REFUSALS: Refusals = new Map();

interface Applicant {
  readonly data: PartitionData;
  readonly partition: TopicPartition;
  readonly producer: ProducerIdentity;
}

const IMPLICIT_SINCE = 12;
const CLIENT_V2 = 2;
/** First version whose clients know TRANSACTION_ABORTABLE. */
const ABORTABLE_SINCE = 11;

/** Asks the coordinator about what is not known to be open. */
export function admit(request: ProduceRequest, context: RequestContext): Refusals | Promise<Refusals> {
  const { transactionalId } = request;
  const applicants = transactionalId === null ? [] : applicantsOf(request, context);
  if (transactionalId === null || applicants.length === 0) return NO_REFUSALS;
  if (context.apiVersion >= IMPLICIT_SINCE) return addAll(transactionalId, applicants, context);
  const verify = (): Refusals => verifyAll(transactionalId, applicants, context);
  const finished = context.broker.transactions.whenFinished(transactionalId);
  return finished ? finished.then(verify) : verify();
}

function verifyAll(id: string, applicants: readonly Applicant[], context: RequestContext): Refusals {
  const { broker, apiVersion } = context;
  const missing =
    apiVersion >= ABORTABLE_SINCE ? KafkaErrors.TRANSACTION_ABORTABLE : KafkaErrors.INVALID_TXN_STATE;
  const refusals = new Map<PartitionData, Refusal>();
  for (const { data, partition, producer } of applicants) {
    const error = broker.transactions.verify(id, producer, partition, missing);
    if (error) refusals.set(data, refusal(error, apiVersion));
  }
  return refusals;
}

async function addAll(
  id: string,
  applicants: readonly Applicant[],
  context: RequestContext,
): Promise<Refusals> {
  const { broker, apiVersion } = context;
  const refusals = new Map<PartitionData, Refusal>();
  for (const group of groupByProducer(applicants)) {
    const producer = group[0]?.producer;
    if (!producer) continue;
    try {
      const partitions = group.map(({ partition }) => partition);
      await broker.transactions.addPartitions(id, producer, partitions, CLIENT_V2);
    } catch (error) {
      const failure = refusal(transactionFailure(broker, error), apiVersion);
      for (const { data } of group) refusals.set(data, failure);
    }
  }
  return refusals;
}

/** All batches of a request are of one producer, unless its client is broken. */
function groupByProducer(applicants: readonly Applicant[]): Iterable<readonly Applicant[]> {
  const groups = new Map<string, Applicant[]>();
  for (const applicant of applicants) {
    const { producerId, producerEpoch } = applicant.producer;
    const key = `${producerId} ${producerEpoch}`;
    const group = groups.get(key) ?? [];
    group.push(applicant);
    groups.set(key, group);
  }
  return groups.values();
}

/** The transactional batches whose transaction is not open in their partitions. What is wrong otherwise shows later. */
function applicantsOf(request: ProduceRequest, context: RequestContext): Applicant[] {
  const { topics } = context.broker;
  const applicants: Applicant[] = [];
  for (const { name, topicId, partitionData } of request.topicData) {
    const topic = context.apiVersion >= 13 ? topics.getById(topicId) : topics.get(name);
    for (const data of partitionData) {
      const { log } = partitionOf(topic, data.index);
      const producer = transactionalProducer(data.records);
      if (!log || !producer || log.producers.hasOpen(producer.producerId, producer.producerEpoch)) continue;
      applicants.push({ data, partition: [log.topic, log.partition], producer });
    }
  }
  return applicants;
}

function transactionalProducer(records: Buffer | null): ProducerIdentity | undefined {
  if (records === null || records.length < BATCH_OVERHEAD) return undefined;
  if (!(records.readInt16BE(21) & BATCH_TRANSACTIONAL)) return undefined;
  return { producerId: Number(records.readBigInt64BE(43)), producerEpoch: records.readInt16BE(51) };
}

/** The coordinator's error as Produce has it. */
function refusal(error: ErrorAnswer, apiVersion: number): Refusal {
  switch (error.code) {
    case KafkaErrors.PRODUCER_FENCED.code:
      return { ...KafkaErrors.INVALID_PRODUCER_EPOCH, text: null };
    case KafkaErrors.INVALID_TXN_STATE.code:
      return { ...error, text: 'Partition was not added to the transaction' };
    case KafkaErrors.CONCURRENT_TRANSACTIONS.code:
    case KafkaErrors.COORDINATOR_NOT_AVAILABLE.code:
      // Producers of KIP-890 know the first; for all others only an error that Produce always had makes them retry.
      if (apiVersion >= IMPLICIT_SINCE && error.code === KafkaErrors.CONCURRENT_TRANSACTIONS.code) break;
      return {
        ...KafkaErrors.NOT_ENOUGH_REPLICAS,
        text: `Unable to verify the partition has been added to the transaction. Underlying error: ${error.message}`,
      };
    default:
      break;
  }
  return { ...error, text: null };
}
