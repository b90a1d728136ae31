// What one client may do: the authorizer, asked for one principal at one address.
import { CLUSTER_NAME, Resource } from './acl.ts';
import type { Authorizer, Requester } from './authorizer.ts';

export class Access {
  readonly #authorizer: Authorizer;
  readonly #requester: Requester;

  constructor(authorizer: Authorizer, requester: Requester) {
    this.#authorizer = authorizer;
    this.#requester = requester;
  }

  /** Whether it may be done; a refusal is logged. */
  may(operation: number, resourceType: number, resourceName: string): boolean {
    const action = { operation, resourceType, resourceName };
    const allowed = this.#authorizer.allows(this.#requester, action);
    if (!allowed) this.#authorizer.noteRefusal(this.#requester, action);
    return allowed;
  }

  /** The same about what nobody named, such as one topic of all: nothing is logged. */
  sees(operation: number, resourceType: number, resourceName: string): boolean {
    return this.#authorizer.allows(this.#requester, { operation, resourceType, resourceName });
  }

  topic(operation: number, name: string): boolean {
    return this.may(operation, Resource.topic, name);
  }
  group(operation: number, id: string): boolean {
    return this.may(operation, Resource.group, id);
  }
  cluster(operation: number): boolean {
    return this.may(operation, Resource.cluster, CLUSTER_NAME);
  }
  transactionalId(operation: number, id: string): boolean {
    return this.may(operation, Resource.transactionalId, id);
  }

  /** Whether there is any resource of the type it may be done to. */
  mayWithAny(operation: number, resourceType: number): boolean {
    return this.#authorizer.allowsAny(this.#requester, operation, resourceType);
  }

  /** Which of the operations in a bit mask may be done. */
  allowedOf(mask: number, resourceType: number, resourceName: string): number {
    let allowed = 0;
    for (let operation = 0; operation < 31; operation++) {
      const bit = 1 << operation;
      if ((mask & bit) !== 0 && this.sees(operation, resourceType, resourceName)) allowed |= bit;
    }
    return allowed;
  }
}
