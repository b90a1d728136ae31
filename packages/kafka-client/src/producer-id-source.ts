// Gets producer ids from the cluster. A broker that refuses them makes the producer a plain one.
import { type Logger, toError } from '@millrace/foundation';
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import type { Cluster } from './cluster.ts';
import { brokerError, kafkaCodeOf } from './errors.ts';
import type { QueueLimits } from './partition-queue.ts';
import type { ProducerIdentity } from './producer-batch.ts';
import type { Transactions } from './transactions.ts';

const NO_TRANSACTION_TIMEOUT = 0x7fff_ffff;
const REFUSES_IDEMPOTENCE = new Set<number>([
  KafkaErrors.UNSUPPORTED_VERSION.code,
  KafkaErrors.CLUSTER_AUTHORIZATION_FAILED.code,
]);

export class ProducerIdSource {
  readonly #cluster: Cluster;
  readonly #logger: Logger;
  readonly #limits: QueueLimits;
  readonly #signal: AbortSignal;
  readonly #transactions: Transactions | undefined;
  #identity: ProducerIdentity | undefined;
  #request: Promise<void> | undefined;

  /** With `transactions`, whoever uses the producer decides when there is an identity. */
  constructor(
    cluster: Cluster,
    logger: Logger,
    limits: QueueLimits,
    signal: AbortSignal,
    transactions?: Transactions,
  ) {
    this.#cluster = cluster;
    this.#logger = logger;
    this.#limits = limits;
    this.#signal = signal;
    this.#transactions = transactions;
  }

  get current(): ProducerIdentity | undefined {
    return this.#transactions ? this.#transactions.identity : this.#identity;
  }

  /** Drops the id: some partition has used up its epochs. */
  discard(): void {
    this.#identity = undefined;
  }

  /** Makes sure that there is an id, or that none is needed. @throws kafka.refused, kafka.unreachable */
  async prepare(): Promise<void> {
    if (this.#transactions || !this.#limits.idempotent || this.#identity || this.#signal.aborted) return;
    this.#request ??= this.#ask().finally(() => {
      this.#request = undefined;
    });
    return this.#request;
  }

  async #ask(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#cluster
        .requestAny(API.InitProducerId, {
          transactionalId: null,
          transactionTimeoutMs: NO_TRANSACTION_TIMEOUT,
          producerId: -1,
          producerEpoch: -1,
        })
        .catch((error: unknown) => ({ errorCode: refusedCode(error), producerId: -1, producerEpoch: -1 }));
      if (answer.errorCode === 0) {
        this.#identity = { producerId: Number(answer.producerId), epoch: answer.producerEpoch };
        return;
      }
      const error = brokerError(answer.errorCode, 'Getting a producer id');
      if (REFUSES_IDEMPOTENCE.has(answer.errorCode)) {
        this.#logger.warn(
          { err: error },
          'the broker refuses idempotence: one request in flight, retries may repeat records',
        );
        this.#limits.idempotent = false;
        this.#limits.maxInFlight = 1;
        return;
      }
      if (error.code !== 'kafka.unavailable') throw error;
      await this.#cluster.pause(attempt, this.#signal);
    }
  }
}

function refusedCode(error: unknown): number {
  const code = kafkaCodeOf(error);
  if (code === undefined) throw toError(error);
  return code;
}
