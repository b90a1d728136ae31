// Access rules in Kafka's numbers: what a rule is, which rules a filter finds, and what is wrong with a new one.
import { KafkaErrors } from '@millrace/kafka-protocol';
import type { ErrorAnswer } from '../broker-state.ts';

export const Resource = {
  any: 1,
  topic: 2,
  group: 3,
  cluster: 4,
  transactionalId: 5,
  token: 6,
  user: 7,
} as const;
export const Pattern = { any: 1, match: 2, literal: 3, prefixed: 4 } as const;
export const Operation = {
  any: 1,
  all: 2,
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  alter: 7,
  describe: 8,
  clusterAction: 9,
  describeConfigs: 10,
  alterConfigs: 11,
  idempotentWrite: 12,
  createTokens: 13,
  describeTokens: 14,
  twoPhaseCommit: 15,
} as const;
export const Permission = { any: 1, deny: 2, allow: 3 } as const;

/** The only resource of type cluster. */
export const CLUSTER_NAME = 'kafka-cluster';
/** Stands for every name, principal or host, where a rule has it whole. */
export const WILDCARD = '*';
export const WILDCARD_PRINCIPAL = 'User:*';
/** Who has not said who he is. */
export const ANONYMOUS = 'User:ANONYMOUS';

/** One rule: these operations on those resources, for a principal from a host. */
export interface Acl {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly patternType: number;
  readonly principal: string;
  readonly host: string;
  readonly operation: number;
  readonly permissionType: number;
}

/** What DescribeAcls and DeleteAcls ask for; null matches everything. */
export interface AclFilter {
  readonly resourceTypeFilter: number;
  readonly resourceNameFilter: string | null;
  readonly patternTypeFilter: number;
  readonly principalFilter: string | null;
  readonly hostFilter: string | null;
  readonly operation: number;
  readonly permissionType: number;
}

/** Equal rules have equal keys. */
export function aclKey(acl: Acl): string {
  const { resourceType, patternType, operation, permissionType } = acl;
  return JSON.stringify([
    resourceType,
    patternType,
    operation,
    permissionType,
    acl.resourceName,
    acl.principal,
    acl.host,
  ]);
}

/** What Kafka has against a new rule; undefined when nothing. */
export function aclProblem(acl: Acl): ErrorAnswer | undefined {
  const refuse = (message: string): ErrorAnswer => ({ code: KafkaErrors.INVALID_REQUEST.code, message });
  const { resourceType, resourceName, patternType, operation, permissionType } = acl;
  if (resourceType < Resource.topic || resourceType > Resource.user) return refuse('Invalid resource type');
  if (patternType !== Pattern.literal && patternType !== Pattern.prefixed)
    return refuse('Invalid patternType');
  if (operation < Operation.all || operation > Operation.twoPhaseCommit)
    return refuse('Invalid operation type');
  if (permissionType !== Permission.deny && permissionType !== Permission.allow) {
    return refuse('Invalid permission type');
  }
  if (resourceName === '') return refuse('Invalid empty resource name');
  if (resourceType === Resource.cluster && resourceName !== CLUSTER_NAME) {
    return refuse(`The only valid name for the CLUSTER resource is ${CLUSTER_NAME}`);
  }
  if (!/^[^:]+:.+$/s.test(acl.principal)) return refuse('Could not parse principal: expected Type:name');
  return undefined;
}

/** Whether a filter can be used at all: unknown numbers are none. */
export function isFilterKnown(filter: AclFilter): boolean {
  const { resourceTypeFilter, patternTypeFilter, operation, permissionType } = filter;
  return (
    within(resourceTypeFilter, Resource.any, Resource.user) &&
    within(patternTypeFilter, Pattern.any, Pattern.prefixed) &&
    within(operation, Operation.any, Operation.twoPhaseCommit) &&
    within(permissionType, Permission.any, Permission.allow)
  );
}

/** Whether a filter finds a rule. */
export function aclMatches(filter: AclFilter, acl: Acl): boolean {
  return (
    (filter.resourceTypeFilter === Resource.any || filter.resourceTypeFilter === acl.resourceType) &&
    (filter.principalFilter === null || filter.principalFilter === acl.principal) &&
    (filter.hostFilter === null || filter.hostFilter === acl.host) &&
    (filter.operation === Operation.any || filter.operation === acl.operation) &&
    (filter.permissionType === Permission.any || filter.permissionType === acl.permissionType) &&
    nameMatches(filter, acl)
  );
}

function nameMatches({ patternTypeFilter, resourceNameFilter }: AclFilter, acl: Acl): boolean {
  const isType =
    patternTypeFilter === Pattern.any ||
    patternTypeFilter === Pattern.match ||
    patternTypeFilter === acl.patternType;
  if (!isType || resourceNameFilter === null) return isType;
  if (resourceNameFilter === acl.resourceName) return true;
  if (patternTypeFilter !== Pattern.match) return false;
  // MATCH finds every rule that would have a say about a resource of that name.
  return acl.patternType === Pattern.literal
    ? acl.resourceName === WILDCARD
    : resourceNameFilter.startsWith(acl.resourceName);
}

function within(value: number, low: number, high: number): boolean {
  return value >= low && value <= high;
}
