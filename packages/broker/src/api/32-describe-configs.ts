// 32 DescribeConfigs. v1 sources and synonyms · v3 types, documentation · v4 flexible. Unknown keys are left out.
import { API } from '@millrace/kafka-protocol';
import { KafkaFailure } from '../errors.ts';
import { describeResource } from '../metadata/config-resources.ts';
import { once } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

export const describeConfigs: RegisteredApi = defineApi({
  key: API.DescribeConfigs,
  versions: [1, 4],
  handle: (request, { broker }) => {
    const configsOf = once((type: number) =>
      once((name: string) =>
        describeResource(broker, type, name).map((config) =>
          request.includeSynonyms ? config : { ...config, synonyms: [] },
        ),
      ),
    );
    const results = request.resources.map(({ resourceType, resourceName, configurationKeys }) => {
      const resource = { resourceType, resourceName };
      try {
        const configs = configsOf(resourceType)(resourceName).filter(
          ({ name }) => configurationKeys === null || configurationKeys.includes(name),
        );
        return { ...resource, errorCode: 0, errorMessage: '', configs };
      } catch (error) {
        if (!(error instanceof KafkaFailure)) throw error;
        return { ...resource, errorCode: error.errorCode, errorMessage: error.message, configs: [] };
      }
    });
    return { results };
  },
});
