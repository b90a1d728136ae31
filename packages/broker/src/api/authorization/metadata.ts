// Rules of the APIs that describe the cluster: what somebody may not see by name is refused, in lists of all it is left
// out, and what he may do is worked out where he asks for it.
import { API, type RequestBody } from '@millrace/kafka-protocol';
import { topicNameProblem, ZERO_UUID } from '../../metadata/topics.ts';
import type { Access } from '../../security/access.ts';
import { CLUSTER_NAME, Operation, Resource } from '../../security/acl.ts';
import { CLUSTER_OPERATIONS, NOT_ASKED, TOPIC_OPERATIONS } from '../cluster-answers.ts';
import type { RequestContext } from '../definition.ts';
import {
  type Body,
  changing,
  GRANTED,
  nameOfId,
  part,
  type Rule,
  rule,
  ruleFor,
  TOPIC_REFUSED,
} from './rule.ts';

type MetadataRequest = RequestBody<typeof API.Metadata>;
type AskedTopic = NonNullable<MetadataRequest['topics']>[number];

interface DescribeTopicPartitionsRequest {
  readonly topics: readonly { readonly name: string }[];
}

export const metadataRules: readonly [number, Rule][] = [
  rule(API.Metadata, (request, context, access) => {
    const asked = request.topics;
    const wantsAll = asked === null || (context.apiVersion === 0 && asked.length === 0);
    const withOperations = (answer: Body): Body => ({
      ...answer,
      topics: (answer['topics'] as Body[]).map((topic) => withAllowed(topic, access)),
      ...(request.includeClusterAuthorizedOperations
        ? { clusterAuthorizedOperations: clusterOperations(access) }
        : {}),
    });
    if (wantsAll) {
      return {
        complete: (answer) =>
          changing(withOperations(answer as Body), 'topics', (topics) => visible(topics, access)),
      };
    }
    // A request that is invalid as a whole tells nothing of any topic.
    if (
      context.apiVersion < 12 &&
      asked.some(({ name, topicId }) => name === null || topicId !== ZERO_UUID)
    ) {
      return GRANTED;
    }
    const { kept, refused } = part(asked, (topic) => mayKnow(topic, request, context, access));
    const refusals = refused.map((topic) => refusedTopic(topic));
    return {
      request: { ...request, topics: kept },
      complete: (answer) => {
        const described = withOperations(answer as Body);
        // In version 0 an empty list means all topics.
        const topics = kept.length === 0 ? [] : (described['topics'] as Body[]);
        return { ...described, topics: [...topics, ...refusals] };
      },
    };
  }),

  ruleFor<DescribeTopicPartitionsRequest>(API.DescribeTopicPartitions, (request, { broker }, access) => {
    const wantsAll = request.topics.length === 0;
    const names = wantsAll ? [...broker.topics.all()] : request.topics;
    const { kept, refused } = part(names, ({ name }) =>
      wantsAll ? sees(name, access) : access.topic(Operation.describe, name),
    );
    const refusals = (wantsAll ? [] : refused).map(({ name }) => refusedTopic({ name, topicId: ZERO_UUID }));
    if (kept.length === 0) return { answer: { topics: refusals, nextCursor: null } };
    return {
      request: { ...request, topics: kept.map(({ name }) => ({ name })) },
      complete: (answer) =>
        changing(answer, 'topics', (topics) => [
          ...topics.map((topic) => withAllowed(topic, access)),
          ...refusals,
        ]),
    };
  }),

  rule(API.DescribeCluster, (request, _, access) => ({
    complete: (answer) =>
      request.includeClusterAuthorizedOperations && (answer as Body)['errorCode'] === 0
        ? { ...(answer as Body), clusterAuthorizedOperations: clusterOperations(access) }
        : answer,
  })),
];

function mayKnow(
  asked: AskedTopic,
  request: MetadataRequest,
  context: RequestContext,
  access: Access,
): boolean {
  const byId = asked.name === null || asked.topicId !== ZERO_UUID;
  const name = byId ? nameOfId(asked.topicId, context) : asked.name;
  if (name === undefined || name === null) return true;
  if (!access.topic(Operation.describe, name)) return false;
  const { broker, apiVersion } = context;
  const wouldCreate =
    !byId &&
    (apiVersion < 4 || request.allowAutoTopicCreation) &&
    broker.config.boolean('auto.create.topics.enable') &&
    topicNameProblem(name) === undefined &&
    !broker.topics.get(name);
  if (!wouldCreate || access.sees(Operation.create, Resource.cluster, CLUSTER_NAME)) return true;
  return access.topic(Operation.create, name);
}

function refusedTopic({ name, topicId }: AskedTopic): object {
  return {
    errorCode: TOPIC_REFUSED.code,
    name: topicId === ZERO_UUID ? name : null,
    topicId,
    isInternal: false,
    partitions: [],
    topicAuthorizedOperations: NOT_ASKED,
  };
}

function visible(topics: readonly Body[], access: Access): Body[] {
  return topics.filter(({ name }) => sees(String(name), access));
}

function sees(name: string, access: Access): boolean {
  return access.sees(Operation.describe, Resource.topic, name);
}

function withAllowed(topic: Body, access: Access): Body {
  if (topic['errorCode'] !== 0 || topic['topicAuthorizedOperations'] === NOT_ASKED) return topic;
  const name = String(topic['name']);
  return { ...topic, topicAuthorizedOperations: access.allowedOf(TOPIC_OPERATIONS, Resource.topic, name) };
}

/** Nothing for who may not even describe the cluster. */
function clusterOperations(access: Access): number {
  if (!access.sees(Operation.describe, Resource.cluster, CLUSTER_NAME)) return 0;
  return access.allowedOf(CLUSTER_OPERATIONS, Resource.cluster, CLUSTER_NAME);
}
