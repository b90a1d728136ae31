// How a rule of access is written down, and what many rules share.
import { API, KafkaErrors, type RequestBody } from '@millrace/kafka-protocol';
import type { ErrorAnswer } from '../../broker-state.ts';
import type { Access } from '../../security/access.ts';
import type { RequestContext } from '../definition.ts';

export type Body = Record<string, unknown>;

/** What becomes of a request. */
export interface Verdict {
  /** It is refused as a whole, with this. */
  readonly answer?: Body;
  /** It goes on as this. */
  readonly request?: Body;
  /** Its answer is changed to this; symbols are those of definition.ts. */
  readonly complete?: (answer: Body | symbol) => Body | symbol;
}

/** Judges a request. */
export type Rule = (request: Body, context: RequestContext, access: Access) => Verdict;

/** Nothing stands against it. */
export const GRANTED: Verdict = {};
/** Everybody may. */
export const OPEN: Rule = () => GRANTED;

export const TOPIC_REFUSED: ErrorAnswer = KafkaErrors.TOPIC_AUTHORIZATION_FAILED;
export const GROUP_REFUSED: ErrorAnswer = KafkaErrors.GROUP_AUTHORIZATION_FAILED;
export const CLUSTER_REFUSED: ErrorAnswer = KafkaErrors.CLUSTER_AUTHORIZATION_FAILED;
export const TRANSACTION_REFUSED: ErrorAnswer = KafkaErrors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;

/** A rule whose request is known by its key. */
export function rule<K extends number>(
  key: K,
  judge: (request: RequestBody<K>, context: RequestContext, access: Access) => Verdict,
): [number, Rule] {
  return [key, judge as unknown as Rule];
}

/** The same for requests whose layout is given where the rule is. */
export function ruleFor<R>(
  key: number,
  judge: (request: R, context: RequestContext, access: Access) => Verdict,
): [number, Rule] {
  return [key, judge as unknown as Rule];
}

/** Parts a list into what may be done and what not. */
export function part<T>(items: readonly T[], may: (item: T) => boolean): { kept: T[]; refused: T[] } {
  const kept: T[] = [];
  const refused: T[] = [];
  for (const item of items) (may(item) ? kept : refused).push(item);
  return { kept, refused };
}

/** Goes on with `request`, and adds to a list of the answer. */
export function without(request: object, field: string, refusals: readonly object[]): Verdict {
  if (refusals.length === 0) return GRANTED;
  return { request: request as Body, complete: (answer) => adding(answer, field, refusals) };
}

/** An answer with more in one of its lists. */
export function adding(answer: Body | symbol, field: string, more: readonly object[]): Body | symbol {
  if (typeof answer === 'symbol') return answer;
  return { ...answer, [field]: [...((answer[field] ?? []) as readonly object[]), ...more] };
}

/** An answer with a list of it changed. */
export function changing(
  answer: Body | symbol,
  field: string,
  change: (items: readonly Body[]) => readonly object[],
): Body | symbol {
  if (typeof answer === 'symbol') return answer;
  return { ...answer, [field]: change((answer[field] ?? []) as readonly Body[]) };
}

/** The name behind a topic id; undefined when there is none, which the handler then says. */
export function nameOfId(topicId: string, { broker }: RequestContext): string | undefined {
  return broker.topics.getById(topicId)?.name;
}

/** Whether the version of a request names topics by id. */
export function namesById({ apiVersion }: RequestContext, key: number): boolean {
  const since = BY_ID_SINCE[key];
  return since !== undefined && apiVersion >= since;
}

const BY_ID_SINCE: Readonly<Record<number, number>> = {
  [API.Produce]: 13,
  [API.OffsetCommit]: 10,
  [API.OffsetFetch]: 10,
};
