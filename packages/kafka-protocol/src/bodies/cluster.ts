// Types of decoded bodies: Metadata, versions and the cluster. Fields that a version does not have hold their default.
import type { Int64 } from '../wire.ts';

export interface MetadataRequest {
  topics:
    | {
        topicId: string;
        name: string | null;
      }[]
    | null;
  allowAutoTopicCreation: boolean;
  includeClusterAuthorizedOperations: boolean;
  includeTopicAuthorizedOperations: boolean;
}

export interface MetadataResponse {
  throttleTimeMs: number;
  brokers: {
    nodeId: number;
    host: string;
    port: number;
    rack: string | null;
  }[];
  clusterId: string | null;
  controllerId: number;
  topics: {
    errorCode: number;
    name: string | null;
    topicId: string;
    isInternal: boolean;
    partitions: {
      errorCode: number;
      partitionIndex: number;
      leaderId: number;
      leaderEpoch: number;
      replicaNodes: number[];
      isrNodes: number[];
      offlineReplicas: number[];
    }[];
    topicAuthorizedOperations: number;
  }[];
  clusterAuthorizedOperations: number;
  errorCode: number;
}

export interface ApiVersionsRequest {
  clientSoftwareName: string;
  clientSoftwareVersion: string;
}

export interface ApiVersionsResponse {
  errorCode: number;
  apiKeys: {
    apiKey: number;
    minVersion: number;
    maxVersion: number;
  }[];
  throttleTimeMs: number;
  supportedFeatures: {
    name: string;
    minVersion: number;
    maxVersion: number;
  }[];
  finalizedFeaturesEpoch: Int64;
  finalizedFeatures: {
    name: string;
    maxVersionLevel: number;
    minVersionLevel: number;
  }[];
  zkMigrationReady: boolean;
}

export interface DescribeClusterRequest {
  includeClusterAuthorizedOperations: boolean;
  endpointType: number;
  includeFencedBrokers: boolean;
}

export interface DescribeClusterResponse {
  throttleTimeMs: number;
  errorCode: number;
  errorMessage: string | null;
  endpointType: number;
  clusterId: string;
  controllerId: number;
  brokers: {
    brokerId: number;
    host: string;
    port: number;
    rack: string | null;
    isFenced: boolean;
  }[];
  clusterAuthorizedOperations: number;
}
