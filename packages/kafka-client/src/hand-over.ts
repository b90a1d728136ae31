// Hands large batches to a broker of the same process in shared memory instead of through the kernel, which would copy
// them twice and wake both threads for every few KB; see record-reference.ts of the protocol.
import { encodeReference, type HandOverEnd, type SlabMessage } from '@millrace/kafka-protocol';

/** Batches of one request. To be told what became of it, since the broker reads them meanwhile. */
export interface Lending {
  /** What goes into the request for a batch, which needs no checksum: bytes that refer to a copy. Undefined = itself. */
  referenceTo(batch: Buffer): Buffer | undefined;
  /** Bytes that were handed over. */
  readonly bytes: number;
  /** The broker has stored all of them: their memory is free again. */
  stored(): void;
  /** It has not, or nobody knows: the broker may go on reading. */
  unknown(): void;
}

interface Slab {
  readonly id: number;
  readonly memory: Buffer;
}

/** Less costs more to hand over than to send. */
const LEAST_BYTES = 64 * 1024;
/** The largest batch that brokers take by default. */
const SLAB_BYTES = 1024 * 1024;
/** Of one thread. What finds them all taken goes through the kernel. */
const MAX_SLABS = 8;

/** The batches of one thread. */
export class HandOver {
  readonly #end: HandOverEnd;
  #free: Slab[] = [];
  #slabs = 0;
  #nextId = 0;

  constructor(end: HandOverEnd) {
    this.#end = end;
    end.port.unref();
  }

  /** For one request to a broker; undefined where that is another one. */
  lend(address: string): Lending | undefined {
    if (address !== this.#end.address) return undefined;
    const lent: Slab[] = [];
    let bytes = 0;
    return {
      referenceTo: (batch) => {
        const slab = this.#take(batch.length);
        if (slab === undefined) return undefined;
        // Buffer's own copy is a memcpy; that of typed arrays goes word by word here.
        batch.copy(slab.memory);
        lent.push(slab);
        bytes += batch.length;
        return encodeReference({ secret: this.#end.secret, slab: slab.id, length: batch.length });
      },
      get bytes() {
        return bytes;
      },
      stored: () => {
        this.#free.push(...lent);
      },
      unknown: () => {
        for (const { id } of lent) this.#abandon(id);
      },
    };
  }

  #take(length: number): Slab | undefined {
    if (length < LEAST_BYTES || length > SLAB_BYTES) return undefined;
    const free = this.#free.pop();
    if (free !== undefined || this.#slabs === MAX_SLABS) return free;
    const memory = new SharedArrayBuffer(SLAB_BYTES);
    const slab = { id: this.#nextId++, memory: Buffer.from(memory) };
    this.#slabs++;
    this.#tell({ slab: slab.id, memory });
    return slab;
  }

  // INV-4: memory that the broker may still read is never written again.
  #abandon(slab: number): void {
    this.#slabs--;
    this.#tell({ slab, memory: null });
  }

  #tell(message: SlabMessage): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
    this.#end.port.postMessage(message);
  }
}
