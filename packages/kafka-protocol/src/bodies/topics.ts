// Types of decoded bodies: Creating, growing and placing topics. Fields that a version does not have hold their default.

export interface CreateTopicsRequest {
  topics: {
    name: string;
    numPartitions: number;
    replicationFactor: number;
    assignments: {
      partitionIndex: number;
      brokerIds: number[];
    }[];
    configs: {
      name: string;
      value: string | null;
    }[];
  }[];
  timeoutMs: number;
  validateOnly: boolean;
}

export interface CreateTopicsResponse {
  throttleTimeMs: number;
  topics: {
    name: string;
    topicId: string;
    errorCode: number;
    errorMessage: string | null;
    topicConfigErrorCode: number;
    numPartitions: number;
    replicationFactor: number;
    configs:
      | {
          name: string;
          value: string | null;
          readOnly: boolean;
          configSource: number;
          isSensitive: boolean;
        }[]
      | null;
  }[];
}

export interface DeleteTopicsRequest {
  topics: {
    name: string | null;
    topicId: string;
  }[];
  topicNames: string[];
  timeoutMs: number;
}

export interface DeleteTopicsResponse {
  throttleTimeMs: number;
  responses: {
    name: string | null;
    topicId: string;
    errorCode: number;
    errorMessage: string | null;
  }[];
}

export interface CreatePartitionsRequest {
  topics: {
    name: string;
    count: number;
    assignments:
      | {
          brokerIds: number[];
        }[]
      | null;
  }[];
  timeoutMs: number;
  validateOnly: boolean;
}

export interface CreatePartitionsResponse {
  throttleTimeMs: number;
  results: {
    name: string;
    errorCode: number;
    errorMessage: string | null;
  }[];
}
