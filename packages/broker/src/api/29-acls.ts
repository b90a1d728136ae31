// 29 DescribeAcls, 30 CreateAcls, 31 DeleteAcls. v1 pattern types · v2 flexible · v3 user resources. Without an
// authorizer there is nothing to describe: tools that ask are told so, and go on.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import { type Acl, type AclFilter, aclProblem, isFilterKnown } from '../security/acl.ts';
import { storageFailure } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

const VERSIONS = [1, 3] as const;
const DISABLED = {
  errorCode: KafkaErrors.SECURITY_DISABLED.code,
  errorMessage: 'No Authorizer is configured.',
} as const;
const UNKNOWN_FILTER = {
  errorCode: KafkaErrors.INVALID_REQUEST.code,
  errorMessage: 'The filter contains unknown elements.',
} as const;

interface Creation extends Omit<Acl, 'patternType'> {
  readonly resourcePatternType: number;
}

export const describeAcls: RegisteredApi = defineApi<number>({
  key: API.DescribeAcls,
  versions: VERSIONS,
  handle: (body, { broker }) => {
    if (!broker.authorizer) return { ...DISABLED, resources: [] };
    const filter = body as unknown as AclFilter;
    if (!isFilterKnown(filter)) return { ...UNKNOWN_FILTER, resources: [] };
    return { errorCode: 0, errorMessage: '', resources: byResource(broker.authorizer.find(filter)) };
  },
});

function byResource(acls: readonly Acl[]): object[] {
  const resources = new Map<string, { acls: object[] }>();
  for (const { resourceType, resourceName, patternType, ...rule } of acls) {
    const key = `${resourceType} ${patternType} ${resourceName}`;
    const known = resources.get(key);
    if (known) known.acls.push(rule);
    else resources.set(key, Object.assign({ resourceType, resourceName, patternType }, { acls: [rule] }));
  }
  return [...resources.values()];
}

export const createAcls: RegisteredApi = defineApi<number>({
  key: API.CreateAcls,
  versions: VERSIONS,
  handle: async (body, { broker }) => {
    const { creations } = body as unknown as { creations: readonly Creation[] };
    const { authorizer } = broker;
    if (!authorizer) return { results: creations.map(() => DISABLED) };
    const acls = creations.map(({ resourcePatternType, ...acl }) => ({
      ...acl,
      patternType: resourcePatternType,
    }));
    const problems = acls.map((acl) => aclProblem(acl));
    try {
      await authorizer.add(
        broker.metadata,
        acls.filter((_, index) => !problems[index]),
      );
    } catch (error) {
      const { errorCode, message } = storageFailure(broker, error);
      return { results: creations.map(() => ({ errorCode, errorMessage: message })) };
    }
    return {
      results: problems.map((problem) => ({
        errorCode: problem?.code ?? 0,
        errorMessage: problem?.message ?? '',
      })),
    };
  },
});

export const deleteAcls: RegisteredApi = defineApi<number>({
  key: API.DeleteAcls,
  versions: VERSIONS,
  handle: async (body, { broker }) => {
    const { filters } = body as unknown as { filters: readonly AclFilter[] };
    const { authorizer } = broker;
    if (!authorizer) return { filterResults: filters.map(() => ({ ...DISABLED, matchingAcls: [] })) };
    try {
      const removed = await authorizer.remove(broker.metadata, filters.filter(isFilterKnown));
      await broker.topics.compactMetadata();
      const filterResults = filters.map((filter) => {
        if (!isFilterKnown(filter)) return { ...UNKNOWN_FILTER, matchingAcls: [] };
        const matchingAcls = (removed.shift() ?? []).map((acl) => ({
          errorCode: 0,
          errorMessage: null,
          ...acl,
        }));
        return { errorCode: 0, errorMessage: null, matchingAcls };
      });
      return { filterResults };
    } catch (error) {
      const { errorCode, message } = storageFailure(broker, error);
      return { filterResults: filters.map(() => ({ errorCode, errorMessage: message, matchingAcls: [] })) };
    }
  },
});
