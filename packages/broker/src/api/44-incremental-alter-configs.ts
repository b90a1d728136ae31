// 44 IncrementalAlterConfigs. Sets, resets, extends or shortens single configs. v1 flexible.
import { API } from '@millrace/kafka-protocol';
import { alterBroker, alterTopic, applyAlterations, ResourceType } from '../metadata/config-resources.ts';
import { answerAlterations } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

export const incrementalAlterConfigs: RegisteredApi = defineApi({
  key: API.IncrementalAlterConfigs,
  versions: [0, 1],
  handle: (request, { broker }) =>
    answerAlterations(broker, request.resources, async ({ resourceType, resourceName, configs }) => {
      const alterations = configs.map(({ name, value, configOperation }) => ({
        name,
        value,
        operation: configOperation,
      }));
      if (resourceType === ResourceType.topic) {
        const change = (present: Readonly<Record<string, string>>) => applyAlterations(present, alterations);
        await alterTopic(broker, resourceName, change, request.validateOnly);
      } else {
        await alterBroker(broker, resourceName, alterations, request.validateOnly);
      }
    }),
});
