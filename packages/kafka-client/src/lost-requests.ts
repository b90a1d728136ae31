// Requests whose connection died before the answer came: until they time out the broker may still store their batches.
import type { ProducerBatch } from './producer-batch.ts';

interface LostRequest {
  readonly untilMs: number;
  readonly batches: Set<ProducerBatch>;
}

/** Remembers lost requests until each of their batches is acknowledged on another way. */
export class LostRequests {
  readonly #requests = new Set<LostRequest>();

  /** `untilMs` is when the request has timed out at the broker for sure. */
  add(untilMs: number, batches: Iterable<ProducerBatch>): void {
    this.#requests.add({ untilMs, batches: new Set(batches) });
  }

  /** A late copy of an acknowledged batch is a repeat, which the broker drops. */
  answered(batch: ProducerBatch): void {
    for (const request of this.#requests) {
      request.batches.delete(batch);
      if (request.batches.size === 0) this.#requests.delete(request);
    }
  }

  /** When nothing lost can be stored any more; 0 when nothing is lost. */
  get quietAtMs(): number {
    return Math.max(0, ...[...this.#requests].map(({ untilMs }) => untilMs));
  }
}
