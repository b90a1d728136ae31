// Records that other threads of this process hand over in shared memory; see record-reference.ts of the protocol.
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { decodeReference, type SlabMessage } from '@millrace/kafka-protocol';

/** One thread that hands records over. */
interface Side {
  readonly port: MessagePort;
  readonly slabs: Map<number, Buffer>;
}

export class SharedRecords {
  readonly #sides = new Map<string, Side>();

  /** Takes records from whoever knows the secret (16 bytes, in hex) and tells of its slabs through the port, until that is closed. */
  add(secret: string, port: MessagePort): void {
    const side = { port, slabs: new Map<number, Buffer>() };
    this.#sides.set(secret, side);
    port.on('message', (message: SlabMessage) => note(side, message));
    port.once('close', () => this.#sides.delete(secret));
    port.unref();
  }

  /** Nobody hands anything over. */
  get isEmpty(): boolean {
    return this.#sides.size === 0;
  }

  /**
   * The records of a request, which are either these bytes themselves or what they refer to. Nobody writes over those
   * before the request is answered. Undefined where they refer to a slab that is not there.
   */
  resolve(bytes: Buffer | null): Buffer | null | undefined {
    const reference = bytes === null ? undefined : decodeReference(bytes);
    const side = reference && this.#sides.get(reference.secret);
    if (reference === undefined || side === undefined) return bytes;
    // What was told before the request was sent may not have been called out yet.
    for (let told = nextOf(side); told !== undefined; told = nextOf(side)) note(side, told);
    const slab = side.slabs.get(reference.slab);
    return slab === undefined || reference.length > slab.length
      ? undefined
      : slab.subarray(0, reference.length);
  }

  close(): void {
    for (const { port } of this.#sides.values()) port.close();
  }
}

function nextOf({ port }: Side): SlabMessage | undefined {
  return receiveMessageOnPort(port)?.message as SlabMessage | undefined;
}

function note({ slabs }: Side, { slab, memory }: SlabMessage): void {
  if (memory === null) slabs.delete(slab);
  else slabs.set(slab, Buffer.from(memory));
}
