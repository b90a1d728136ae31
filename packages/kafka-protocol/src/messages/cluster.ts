// Message layouts: Metadata, versions and the cluster. Facts of Kafka 4.3.1; the notation is described in ../layout.ts.
import type { ApiLayout } from '../layout.ts';

export const clusterLayouts: readonly ApiLayout[] = [
  {
    key: 3,
    name: 'Metadata',
    versions: [0, 13],
    flexibleFrom: 9,
    request: `
      topics: [struct]?1+ {
        topicId: uuid 10+
        name: string?10+
      }
      allowAutoTopicCreation: bool 4+ = true
      includeClusterAuthorizedOperations: bool 8-10
      includeTopicAuthorizedOperations: bool 8+
    `,
    response: `
      throttleTimeMs: int32 3+
      brokers: [struct] {
        nodeId: int32
        host: string
        port: int32
        rack: string? 1+ = null
      }
      clusterId: string? 2+ = null
      controllerId: int32 1+ = -1
      topics: [struct] {
        errorCode: int16
        name: string?12+
        topicId: uuid 10+
        isInternal: bool 1+
        partitions: [struct] {
          errorCode: int16
          partitionIndex: int32
          leaderId: int32
          leaderEpoch: int32 7+ = -1
          replicaNodes: [int32]
          isrNodes: [int32]
          offlineReplicas: [int32] 5+
        }
        topicAuthorizedOperations: int32 8+ = -2147483648
      }
      clusterAuthorizedOperations: int32 8-10 = -2147483648
      errorCode: int16 13+
    `,
  },
  {
    key: 18,
    name: 'ApiVersions',
    versions: [0, 4],
    flexibleFrom: 3,
    request: `
      clientSoftwareName: string 3+
      clientSoftwareVersion: string 3+
    `,
    response: `
      errorCode: int16
      apiKeys: [struct] {
        apiKey: int16
        minVersion: int16
        maxVersion: int16
      }
      throttleTimeMs: int32 1+
      supportedFeatures: [struct] 3+ tag 0 {
        name: string
        minVersion: int16
        maxVersion: int16
      }
      finalizedFeaturesEpoch: int64 3+ = -1 tag 1
      finalizedFeatures: [struct] 3+ tag 2 {
        name: string
        maxVersionLevel: int16
        minVersionLevel: int16
      }
      zkMigrationReady: bool 3+ tag 3
    `,
  },
  {
    key: 60,
    name: 'DescribeCluster',
    versions: [0, 2],
    flexibleFrom: 0,
    request: `
      includeClusterAuthorizedOperations: bool
      endpointType: int8 1+ = 1
      includeFencedBrokers: bool 2+
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
      errorMessage: string? = null
      endpointType: int8 1+ = 1
      clusterId: string
      controllerId: int32 = -1
      brokers: [struct] {
        brokerId: int32
        host: string
        port: int32
        rack: string? = null
        isFenced: bool 2+
      }
      clusterAuthorizedOperations: int32 = -2147483648
    `,
  },
  {
    key: 75,
    name: 'DescribeTopicPartitions',
    versions: [0, 0],
    flexibleFrom: 0,
    request: `
      topics: [struct] {
        name: string
      }
      responsePartitionLimit: int32 = 2000
      cursor: struct? = null {
        topicName: string
        partitionIndex: int32
      }
    `,
    response: `
      throttleTimeMs: int32
      topics: [struct] {
        errorCode: int16
        name: string?
        topicId: uuid
        isInternal: bool
        partitions: [struct] {
          errorCode: int16
          partitionIndex: int32
          leaderId: int32
          leaderEpoch: int32 = -1
          replicaNodes: [int32]
          isrNodes: [int32]
          eligibleLeaderReplicas: [int32]? = null
          lastKnownElr: [int32]? = null
          offlineReplicas: [int32]
        }
        topicAuthorizedOperations: int32 = -2147483648
      }
      nextCursor: struct? = null {
        topicName: string
        partitionIndex: int32
      }
    `,
  },
  {
    key: 55,
    name: 'DescribeQuorum',
    versions: [0, 2],
    flexibleFrom: 0,
    request: `
      topics: [struct] {
        topicName: string
        partitions: [struct] {
          partitionIndex: int32
        }
      }
    `,
    response: `
      errorCode: int16
      errorMessage: string? 2+
      topics: [struct] {
        topicName: string
        partitions: [struct] {
          partitionIndex: int32
          errorCode: int16
          errorMessage: string? 2+
          leaderId: int32
          leaderEpoch: int32
          highWatermark: int64
          currentVoters: [struct] {
            replicaId: int32
            replicaDirectoryId: uuid 2+
            logEndOffset: int64
            lastFetchTimestamp: int64 1+ = -1
            lastCaughtUpTimestamp: int64 1+ = -1
          }
          observers: [struct] {
            replicaId: int32
            replicaDirectoryId: uuid 2+
            logEndOffset: int64
            lastFetchTimestamp: int64 1+ = -1
            lastCaughtUpTimestamp: int64 1+ = -1
          }
        }
      }
      nodes: [struct] 2+ {
        nodeId: int32
        listeners: [struct] {
          name: string
          host: string
          port: uint16
        }
      }
    `,
  },
  {
    key: 57,
    name: 'UpdateFeatures',
    versions: [0, 2],
    flexibleFrom: 0,
    request: `
      timeoutMs: int32 = 60000
      featureUpdates: [struct] {
        feature: string
        maxVersionLevel: int16
        allowDowngrade: bool 0
        upgradeType: int8 1+ = 1
      }
      validateOnly: bool 1+
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
      errorMessage: string?
      results: [struct] 0-1 {
        feature: string
        errorCode: int16
        errorMessage: string?
      }
    `,
  },
  {
    key: 64,
    name: 'UnregisterBroker',
    versions: [0, 0],
    flexibleFrom: 0,
    request: `
      brokerId: int32
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
      errorMessage: string?
    `,
  },
  {
    key: 71,
    name: 'GetTelemetrySubscriptions',
    versions: [0, 0],
    flexibleFrom: 0,
    request: `
      clientInstanceId: uuid
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
      clientInstanceId: uuid
      subscriptionId: int32
      acceptedCompressionTypes: [int8]
      pushIntervalMs: int32
      telemetryMaxBytes: int32
      deltaTemporality: bool
      requestedMetrics: [string]
    `,
  },
  {
    key: 72,
    name: 'PushTelemetry',
    versions: [0, 0],
    flexibleFrom: 0,
    request: `
      clientInstanceId: uuid
      subscriptionId: int32
      terminating: bool
      compressionType: int8
      metrics: bytes
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
    `,
  },
];
