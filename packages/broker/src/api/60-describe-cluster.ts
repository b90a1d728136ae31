// 60 DescribeCluster. v1 endpoint types · v2 fenced brokers.
import { API, KafkaErrors } from '@millrace/kafka-protocol';
import { CLUSTER_OPERATIONS, NOT_ASKED } from './cluster-answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

const BROKERS = 1;
const CONTROLLERS = 2;

export const describeCluster: RegisteredApi = defineApi({
  key: API.DescribeCluster,
  versions: [0, 2],
  handle: (request, { broker, listener }) => {
    const { endpointType } = request;
    if (endpointType !== BROKERS) {
      const error =
        endpointType === CONTROLLERS
          ? KafkaErrors.MISMATCHED_ENDPOINT_TYPE
          : KafkaErrors.UNSUPPORTED_ENDPOINT_TYPE;
      const errorMessage =
        endpointType === CONTROLLERS ? error.message : `Unsupported endpoint type ${endpointType}`;
      return { errorCode: error.code, errorMessage, clusterId: '', controllerId: -1, brokers: [] };
    }
    return {
      errorCode: 0,
      errorMessage: null,
      endpointType,
      clusterId: broker.clusterId,
      controllerId: broker.nodeId,
      brokers: [{ brokerId: broker.nodeId, ...broker.advertised(listener), rack: null, isFenced: false }],
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? CLUSTER_OPERATIONS
        : NOT_ASKED,
    };
  },
});
