// 29 DescribeAcls, 30 CreateAcls, 31 DeleteAcls. There is no authorizer: tools that ask are told so, and go on.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import { defineApi, type RegisteredApi } from './definition.ts';

const VERSIONS = [1, 3] as const;
const DISABLED = {
  errorCode: KafkaErrors.SECURITY_DISABLED.code,
  errorMessage: 'No Authorizer is configured.',
} as const;

export const describeAcls: RegisteredApi = defineApi<number>({
  key: API.DescribeAcls,
  versions: VERSIONS,
  handle: () => ({ ...DISABLED, resources: [] }),
});

export const createAcls: RegisteredApi = defineApi<number>({
  key: API.CreateAcls,
  versions: VERSIONS,
  handle: (request) => {
    const { creations } = request as { creations: readonly unknown[] };
    return { results: creations.map(() => DISABLED) };
  },
});

export const deleteAcls: RegisteredApi = defineApi<number>({
  key: API.DeleteAcls,
  versions: VERSIONS,
  handle: (request) => {
    const { filters } = request as { filters: readonly unknown[] };
    return { filterResults: filters.map(() => ({ ...DISABLED, matchingAcls: [] })) };
  },
});
