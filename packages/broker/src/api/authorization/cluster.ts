// Rules of the APIs about the cluster as a whole, about configs, and about access itself.
import { API } from '@millrace/kafka-protocol';
import type { ErrorAnswer } from '../../broker-state.ts';
import { ResourceType } from '../../metadata/config-resources.ts';
import type { Access } from '../../security/access.ts';
import { Operation } from '../../security/acl.ts';
import {
  CLUSTER_REFUSED,
  GRANTED,
  GROUP_REFUSED,
  part,
  type Rule,
  rule,
  ruleFor,
  TOPIC_REFUSED,
  without,
} from './rule.ts';

interface ConfigResource {
  readonly resourceType: number;
  readonly resourceName: string;
}
interface ElectLeadersRequest {
  readonly topicPartitions:
    | readonly { readonly topic: string; readonly partitions: readonly number[] }[]
    | null;
}

const errorCode: number = CLUSTER_REFUSED.code;
const errorMessage: string = CLUSTER_REFUSED.message;

/** The whole request needs a right on the cluster. */
function onCluster<R>(key: number, operation: number, refusal: (request: R) => object): [number, Rule] {
  return ruleFor<R>(key, (request, _, access) =>
    access.cluster(operation) ? GRANTED : { answer: refusal(request) as Record<string, unknown> },
  );
}

export const clusterRules: readonly [number, Rule][] = [
  rule(API.DescribeConfigs, (request, _, access) => {
    const { kept, refused } = part(request.resources, (resource) =>
      mayConfigure(resource, Operation.describeConfigs, access),
    );
    const refusals = refused.map((resource) => ({ ...refusedResource(resource), configs: [] }));
    return without({ ...request, resources: kept }, 'results', refusals);
  }),
  rule(API.AlterConfigs, (request, _, access) => {
    const { kept, refused } = part(request.resources, (resource) =>
      mayConfigure(resource, Operation.alterConfigs, access),
    );
    return without({ ...request, resources: kept }, 'responses', refused.map(refusedResource));
  }),
  rule(API.IncrementalAlterConfigs, (request, _, access) => {
    const { kept, refused } = part(request.resources, (resource) =>
      mayConfigure(resource, Operation.alterConfigs, access),
    );
    return without({ ...request, resources: kept }, 'responses', refused.map(refusedResource));
  }),

  onCluster(API.DescribeLogDirs, Operation.describe, () => ({ errorCode, results: [] })),
  onCluster<ElectLeadersRequest>(API.ElectLeaders, Operation.alter, ({ topicPartitions }) => ({
    errorCode,
    replicaElectionResults: (topicPartitions ?? []).map(({ topic, partitions }) => ({
      topic,
      partitionResult: partitions.map((partitionId) => ({ partitionId, errorCode, errorMessage: null })),
    })),
  })),
  onCluster(API.AlterPartitionReassignments, Operation.alter, () => ({
    errorCode,
    errorMessage,
    responses: [],
  })),
  onCluster(API.ListPartitionReassignments, Operation.describe, () => ({
    errorCode,
    errorMessage,
    topics: [],
  })),

  onCluster(API.DescribeQuorum, Operation.describe, () => ({ errorCode, errorMessage, topics: [] })),
  onCluster(API.DescribeAcls, Operation.describe, () => ({ errorCode, errorMessage, resources: [] })),
  onCluster<{ readonly creations: readonly object[] }>(API.CreateAcls, Operation.alter, ({ creations }) => ({
    results: creations.map(() => ({ errorCode, errorMessage })),
  })),
  onCluster<{ readonly filters: readonly object[] }>(API.DeleteAcls, Operation.alter, ({ filters }) => ({
    filterResults: filters.map(() => ({ errorCode, errorMessage, matchingAcls: [] })),
  })),

  onCluster(API.DescribeUserScramCredentials, Operation.describe, () => ({
    errorCode,
    errorMessage,
    results: [],
  })),
  onCluster<{
    readonly deletions: readonly { name: string }[];
    readonly upsertions: readonly { name: string }[];
  }>(API.AlterUserScramCredentials, Operation.alter, ({ deletions, upsertions }) => ({
    results: [...new Set([...deletions, ...upsertions].map(({ name }) => name))].map((user) => ({
      user,
      errorCode,
      errorMessage,
    })),
  })),
];

function mayConfigure(
  { resourceType, resourceName }: ConfigResource,
  operation: number,
  access: Access,
): boolean {
  if (resourceType === ResourceType.topic) return access.topic(operation, resourceName);
  if (resourceType === ResourceType.group) return access.group(operation, resourceName);
  return access.cluster(operation);
}

function refusedResource({ resourceType, resourceName }: ConfigResource): object {
  const error = refusalOf(resourceType);
  return { errorCode: error.code, errorMessage: error.message, resourceType, resourceName };
}

function refusalOf(resourceType: number): ErrorAnswer {
  if (resourceType === ResourceType.topic) return TOPIC_REFUSED;
  return resourceType === ResourceType.group ? GROUP_REFUSED : CLUSTER_REFUSED;
}
