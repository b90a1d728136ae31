// Rules of the APIs about groups and the offsets they committed.
import { API, type RequestBody } from '@millrace/kafka-protocol';
import { joinFailure, syncFailure } from '../../groups/member.ts';
import type { Access } from '../../security/access.ts';
import { CLUSTER_NAME, Operation, Resource } from '../../security/acl.ts';
import { GROUP_OPERATIONS, NOT_ASKED } from '../cluster-answers.ts';
import type { RequestContext } from '../definition.ts';
import {
  adding,
  type Body,
  changing,
  GRANTED,
  GROUP_REFUSED,
  nameOfId,
  namesById,
  part,
  type Rule,
  rule,
  TOPIC_REFUSED,
  TRANSACTION_REFUSED,
  type Verdict,
  without,
} from './rule.ts';

type OffsetFetchRequest = RequestBody<typeof API.OffsetFetch>;
interface FetchedTopic {
  readonly name: string;
  readonly topicId?: string;
  readonly partitionIndexes: readonly number[];
}

const errorCode: number = GROUP_REFUSED.code;
const TRANSACTION = 1;

export const groupRules: readonly [number, Rule][] = [
  rule(API.FindCoordinator, (request, { apiVersion }, access) => {
    const refusal = (id: string): { code: number; message: string } | undefined => {
      if (request.keyType === TRANSACTION) {
        return access.transactionalId(Operation.describe, id) ? undefined : TRANSACTION_REFUSED;
      }
      return access.group(Operation.describe, id) ? undefined : GROUP_REFUSED;
    };
    const nowhere = { nodeId: -1, host: '', port: -1 };
    if (apiVersion < 4) {
      const error = refusal(request.key);
      if (!error) return GRANTED;
      return { answer: { ...nowhere, errorCode: error.code, errorMessage: error.message } };
    }
    const { kept, refused } = part(request.coordinatorKeys, (key) => refusal(key) === undefined);
    const code = request.keyType === TRANSACTION ? TRANSACTION_REFUSED.code : errorCode;
    const refusals = refused.map((key) => ({ key, ...nowhere, errorCode: code, errorMessage: '' }));
    return without({ ...request, coordinatorKeys: kept }, 'coordinators', refusals);
  }),

  rule(API.JoinGroup, ({ groupId, memberId }, { apiVersion }, access) => {
    if (access.group(Operation.read, groupId)) return GRANTED;
    const answer = { ...joinFailure(memberId, GROUP_REFUSED) } as Body;
    // Before v7 there was no null.
    return { answer: apiVersion < 7 ? { ...answer, protocolName: '' } : answer };
  }),
  rule(API.SyncGroup, ({ groupId }, _, access) =>
    access.group(Operation.read, groupId) ? GRANTED : { answer: { ...syncFailure(GROUP_REFUSED) } as Body },
  ),
  rule(API.Heartbeat, ({ groupId }, _, access) =>
    access.group(Operation.read, groupId) ? GRANTED : { answer: { errorCode } },
  ),
  rule(API.LeaveGroup, ({ groupId }, _, access) =>
    access.group(Operation.read, groupId) ? GRANTED : { answer: { errorCode, members: [] } },
  ),

  rule(API.OffsetCommit, (request, context, access) => {
    const refuse = (topics: typeof request.topics, code: number): object[] =>
      topics.map(({ name, topicId, partitions }) => ({
        name,
        topicId,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: code })),
      }));
    if (!access.group(Operation.read, request.groupId)) {
      return { answer: { topics: refuse(request.topics, errorCode) } };
    }
    const byId = namesById(context, API.OffsetCommit);
    const { kept, refused } = part(request.topics, ({ name, topicId }) => {
      const known = byId ? nameOfId(topicId, context) : name;
      return known === undefined || access.topic(Operation.read, known);
    });
    return without({ ...request, topics: kept }, 'topics', refuse(refused, TOPIC_REFUSED.code));
  }),

  rule(API.OffsetFetch, (request, context, access) =>
    context.apiVersion < 8
      ? fetchOfOneGroup(request, context, access)
      : fetchOfManyGroups(request, context, access),
  ),

  rule(API.DescribeGroups, (request, _, access) => {
    const { kept, refused } = part(request.groups, (id) => access.group(Operation.describe, id));
    const refusals = refused.map((groupId) => ({
      errorCode,
      errorMessage: null,
      groupId,
      authorizedOperations: NOT_ASKED,
    }));
    return {
      request: { ...request, groups: kept },
      complete: (answer) =>
        adding(
          changing(answer, 'groups', (groups) => groups.map((group) => withAllowed(group, access))),
          'groups',
          refusals,
        ),
    };
  }),

  rule(API.ListGroups, (_, __, access) => {
    if (access.sees(Operation.describe, Resource.cluster, CLUSTER_NAME)) return GRANTED;
    const sees = ({ groupId }: Body): boolean =>
      access.sees(Operation.describe, Resource.group, String(groupId));
    return { complete: (answer) => changing(answer, 'groups', (groups) => groups.filter(sees)) };
  }),

  rule(API.DeleteGroups, (request, _, access) => {
    const { kept, refused } = part(request.groupsNames, (id) => access.group(Operation.delete, id));
    const refusals = refused.map((groupId) => ({ groupId, errorCode }));
    return without({ ...request, groupsNames: kept }, 'results', refusals);
  }),

  rule(API.OffsetDelete, (request, _, access) => {
    if (!access.group(Operation.delete, request.groupId)) return { answer: { errorCode, topics: [] } };
    const { kept, refused } = part(request.topics, ({ name }) => access.topic(Operation.read, name));
    const refusals = refused.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: TOPIC_REFUSED.code })),
    }));
    return without({ ...request, topics: kept }, 'topics', refusals);
  }),
];

function fetchOfOneGroup(request: OffsetFetchRequest, context: RequestContext, access: Access): Verdict {
  const { groupId, topics } = request;
  if (!access.group(Operation.describe, groupId)) {
    // Version 1 has no error but those of partitions.
    const refused = context.apiVersion < 2 ? (topics ?? []).map((topic) => unread(topic, errorCode)) : [];
    return { answer: { topics: refused, errorCode } };
  }
  if (topics === null) {
    return { complete: (answer) => changing(answer, 'topics', (found) => visible(found, access)) };
  }
  const { kept, refused } = part(topics, ({ name }) => access.topic(Operation.describe, name));
  const refusals = refused.map((topic) => unread(topic, TOPIC_REFUSED.code));
  return without({ ...request, topics: kept }, 'topics', refusals);
}

function fetchOfManyGroups(request: OffsetFetchRequest, context: RequestContext, access: Access): Verdict {
  const byId = namesById(context, API.OffsetFetch);
  const { kept, refused } = part(request.groups, ({ groupId }) => access.group(Operation.describe, groupId));
  const refusals = new Map<number, object[]>();
  const groups = kept.map((group, index) => {
    if (group.topics === null) return group;
    const parted = part(group.topics, ({ name, topicId }) => {
      const known = byId ? nameOfId(topicId, context) : name;
      return known === undefined || access.topic(Operation.describe, known);
    });
    refusals.set(
      index,
      parted.refused.map((topic) => unread(topic, TOPIC_REFUSED.code)),
    );
    return { ...group, topics: parted.kept };
  });
  const complete = (answer: Body | symbol): Body | symbol =>
    changing(answer, 'groups', (answered) => [
      ...answered.map((group, index) => {
        const topics = group['topics'] as Body[];
        const shown = groups[index]?.topics === null ? visible(topics, access) : topics;
        return { ...group, topics: [...shown, ...(refusals.get(index) ?? [])] };
      }),
      ...refused.map(({ groupId }) => ({ groupId, topics: [], errorCode })),
    ]);
  return { request: { ...request, groups }, complete };
}

function unread({ name, topicId, partitionIndexes }: FetchedTopic, code: number): object {
  return {
    name,
    topicId,
    partitions: partitionIndexes.map((partitionIndex) => ({
      partitionIndex,
      committedOffset: -1,
      committedLeaderEpoch: -1,
      metadata: '',
      errorCode: code,
    })),
  };
}

function visible(topics: readonly Body[], access: Access): Body[] {
  return topics.filter(({ name }) => access.sees(Operation.describe, Resource.topic, String(name)));
}

function withAllowed(group: Body, access: Access): Body {
  if (group['authorizedOperations'] === NOT_ASKED) return group;
  const groupId = String(group['groupId']);
  return { ...group, authorizedOperations: access.allowedOf(GROUP_OPERATIONS, Resource.group, groupId) };
}
