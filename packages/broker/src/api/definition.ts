// How an API is written down. Each file NN-name.ts in this folder defines one; the registry is what the ApiVersions
// answer is built from, so nothing can be advertised and absent, or served and hidden.
import type { Encodable, RequestBody, ResponseBody } from '@millrace/kafka-protocol';
import type { BrokerState } from '../broker-state.ts';
import type { Ending } from '../net/ending.ts';
import type { Access } from '../security/access.ts';
import type { Session } from '../security/session.ts';

/** What a handler knows about the request besides its body. */
export interface RequestContext {
  readonly broker: BrokerState;
  readonly apiVersion: number;
  readonly clientId: string;
  /** The client's address in Kafka's form: `/127.0.0.1`. */
  readonly clientHost: string;
  /** Name of the listener the client came through: decides which address it is told. */
  readonly listener: string;
  /** Who the client is. */
  readonly session: Session;
  /** What the client may do; undefined without an authorizer, when that is everything. */
  readonly access: Access | undefined;
  /** Of the connection. */
  readonly ending: Ending;
}

/** Handlers return this to send nothing back. */
export const NO_REPLY: unique symbol = Symbol('no reply');
/** Handlers return this to end the connection, where Kafka has no other way to tell of an error. */
export const CLOSE: unique symbol = Symbol('close');

export type Answer<K extends number> = Encodable<ResponseBody<K>> | typeof NO_REPLY | typeof CLOSE;

export interface ApiDefinition<K extends number> {
  readonly key: K;
  /** Lowest and highest version advertised. */
  readonly versions: readonly [number, number];
  /** Lowest version served, when clients must see a lower one advertised. */
  readonly servedFrom?: number;
  /** The next request of the connection may start while this one waits for the disk; answers stay in order. */
  readonly pipelined?: boolean;
  /** Once it has answered, nothing refers to the bytes of the request any more, so that they can be used again. */
  readonly releasesFrame?: boolean;
  handle(request: RequestBody<K>, context: RequestContext): Answer<K> | Promise<Answer<K>>;
}

/** An API with its key's type forgotten, as the registry holds it. */
export interface RegisteredApi {
  readonly key: number;
  readonly versions: readonly [number, number];
  readonly servedFrom: number;
  readonly pipelined: boolean;
  readonly releasesFrame: boolean;
  handle(request: unknown, context: RequestContext): unknown;
}

/** Ties the handler's types to its key. */
export function defineApi<K extends number>(definition: ApiDefinition<K>): RegisteredApi {
  return {
    key: definition.key,
    versions: definition.versions,
    servedFrom: definition.servedFrom ?? definition.versions[0],
    pipelined: definition.pipelined ?? false,
    releasesFrame: definition.releasesFrame ?? false,
    handle: (request, context) => definition.handle(request as RequestBody<K>, context),
  };
}
