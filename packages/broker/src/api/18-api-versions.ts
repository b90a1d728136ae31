// 18 ApiVersions. What is served, from the registry. v3 client software names, features · v4 features whose lowest
// level is 0. The answer's header never has tags; a version above the highest is answered in the layout of v0.
import { API, type Encodable, KafkaErrors, type ResponseBody } from '@millrace/kafka-protocol';
import { defineApi, type RegisteredApi } from './definition.ts';

const VERSIONS = [0, 4] as const;
const SOFTWARE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;
/** Level of Kafka's metadata format (4.3-IV0) that tools derive the broker's abilities from. */
const METADATA_LEVEL = 30;
/** Transactions as of KIP-890. */
const TRANSACTION_LEVEL = 2;
const METADATA_FEATURE = { name: 'metadata.version', minVersion: 7, maxVersion: METADATA_LEVEL };
const TRANSACTION_FEATURE = { name: 'transaction.version', minVersion: 0, maxVersion: TRANSACTION_LEVEL };

type VersionsAnswer = Encodable<ResponseBody<18>>;

/** The API that describes `served` and itself. */
export function apiVersions(served: readonly RegisteredApi[]): RegisteredApi {
  const api = defineApi({
    key: API.ApiVersions,
    versions: VERSIONS,
    handle: (request, { apiVersion }) => {
      const named =
        SOFTWARE_NAME.test(request.clientSoftwareName) && SOFTWARE_NAME.test(request.clientSoftwareVersion);
      if (apiVersion >= 3 && !named) return { errorCode: KafkaErrors.INVALID_REQUEST.code };
      return apiVersion >= 4 ? answer : { ...answer, supportedFeatures: [METADATA_FEATURE] };
    },
  });
  const answer: VersionsAnswer = {
    errorCode: 0,
    apiKeys: [...served, api]
      .sort((a, b) => a.key - b.key)
      .map(({ key, versions }) => ({ apiKey: key, minVersion: versions[0], maxVersion: versions[1] })),
    supportedFeatures: [TRANSACTION_FEATURE, METADATA_FEATURE],
    finalizedFeaturesEpoch: 1,
    finalizedFeatures: [
      { name: 'transaction.version', maxVersionLevel: TRANSACTION_LEVEL, minVersionLevel: TRANSACTION_LEVEL },
      { name: 'metadata.version', maxVersionLevel: METADATA_LEVEL, minVersionLevel: METADATA_LEVEL },
    ],
  };
  return api;
}

/** The answer to a version nobody knows: clients try again with one from the range. */
export const refusedApiVersions: RegisteredApi = defineApi({
  key: API.ApiVersions,
  versions: VERSIONS,
  handle: () => ({
    errorCode: KafkaErrors.UNSUPPORTED_VERSION.code,
    apiKeys: [{ apiKey: API.ApiVersions, minVersion: VERSIONS[0], maxVersion: VERSIONS[1] }],
  }),
});
