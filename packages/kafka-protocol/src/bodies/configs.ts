// Types of decoded bodies: Configs and client quotas. Fields that a version does not have hold their default.

export interface DescribeConfigsRequest {
  resources: {
    resourceType: number;
    resourceName: string;
    configurationKeys: string[] | null;
  }[];
  includeSynonyms: boolean;
  includeDocumentation: boolean;
}

export interface DescribeConfigsResponse {
  throttleTimeMs: number;
  results: {
    errorCode: number;
    errorMessage: string | null;
    resourceType: number;
    resourceName: string;
    configs: {
      name: string;
      value: string | null;
      readOnly: boolean;
      configSource: number;
      isSensitive: boolean;
      synonyms: {
        name: string;
        value: string | null;
        source: number;
      }[];
      configType: number;
      documentation: string | null;
    }[];
  }[];
}

export interface AlterConfigsRequest {
  resources: {
    resourceType: number;
    resourceName: string;
    configs: {
      name: string;
      value: string | null;
    }[];
  }[];
  validateOnly: boolean;
}

export interface AlterConfigsResponse {
  throttleTimeMs: number;
  responses: {
    errorCode: number;
    errorMessage: string | null;
    resourceType: number;
    resourceName: string;
  }[];
}

export interface IncrementalAlterConfigsRequest {
  resources: {
    resourceType: number;
    resourceName: string;
    configs: {
      name: string;
      configOperation: number;
      value: string | null;
    }[];
  }[];
  validateOnly: boolean;
}

export interface IncrementalAlterConfigsResponse {
  throttleTimeMs: number;
  responses: {
    errorCode: number;
    errorMessage: string | null;
    resourceType: number;
    resourceName: string;
  }[];
}
