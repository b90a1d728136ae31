// 33 AlterConfigs. Replaces all overrides of a topic; what is not named goes back to its default. v2 flexible.
import { API } from '@millrace/kafka-protocol';
import { AlterOperation, alterBroker, alterTopic, ResourceType } from '../metadata/config-resources.ts';
import { checkTopicConfigs } from '../metadata/create-topic.ts';
import { answerAlterations } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

export const alterConfigs: RegisteredApi = defineApi({
  key: API.AlterConfigs,
  versions: [0, 2],
  handle: (request, { broker }) =>
    answerAlterations(broker, request.resources, async ({ resourceType, resourceName, configs }) => {
      if (resourceType === ResourceType.topic) {
        await alterTopic(broker, resourceName, () => checkTopicConfigs(configs), request.validateOnly);
        return;
      }
      const alterations = configs.map(({ name, value }) => ({ name, value, operation: AlterOperation.set }));
      await alterBroker(broker, resourceName, alterations, request.validateOnly);
    }),
});
