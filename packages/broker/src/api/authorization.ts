// What each API may be used for by whom: one rule an API, applied around its handler, which knows nothing of it. A rule
// takes out of the request what is refused and puts the refusals into the answer, with the errors Kafka gives. Only
// Fetch asks by itself, since its sessions must remember what was refused.
import { API } from '@millrace/kafka-protocol';
import { clusterRules } from './authorization/cluster.ts';
import { groupRules } from './authorization/groups.ts';
import { metadataRules } from './authorization/metadata.ts';
import { type Body, OPEN, type Rule } from './authorization/rule.ts';
import { topicRules } from './authorization/topics.ts';
import { transactionRules } from './authorization/transactions.ts';
import type { RegisteredApi, RequestContext } from './definition.ts';

/** See the head of this file. */
export const RULES: ReadonlyMap<number, Rule> = new Map<number, Rule>([
  [API.ApiVersions, OPEN],
  [API.SaslHandshake, OPEN],
  [API.SaslAuthenticate, OPEN],
  [API.Fetch, OPEN],
  ...metadataRules,
  ...topicRules,
  ...groupRules,
  ...transactionRules,
  ...clusterRules,
]);

/** Handles a request as far as the client may ask it. */
export function answerRequest(api: RegisteredApi, request: unknown, context: RequestContext): unknown {
  const { access } = context;
  if (!access) return api.handle(request, context);
  const rule = RULES.get(api.key);
  // What nobody wrote a rule for is nobody's.
  if (!rule) throw new Error(`API ${api.key} has no rule of access`);
  const verdict = rule(request as Body, context, access);
  const { complete } = verdict;
  if (verdict.answer) return complete ? complete(verdict.answer) : verdict.answer;
  const answer = api.handle(verdict.request ?? request, context);
  if (!complete) return answer;
  return answer instanceof Promise
    ? answer.then((body: Body | symbol) => complete(body))
    : complete(answer as Body | symbol);
}
