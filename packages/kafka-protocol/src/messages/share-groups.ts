// Message layouts: Share groups of KIP-932. Facts of Kafka 4.3.1; the notation is described in ../layout.ts.
import type { ApiLayout } from '../layout.ts';

export const shareGroupsLayouts: readonly ApiLayout[] = [
  {
    key: 76,
    name: 'ShareGroupHeartbeat',
    versions: [1, 1],
    flexibleFrom: 0,
    request: `
      groupId: string
      memberId: string
      memberEpoch: int32
      rackId: string? = null
      subscribedTopicNames: [string]? = null
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
      errorMessage: string? = null
      memberId: string? = null
      memberEpoch: int32
      heartbeatIntervalMs: int32
      assignment: struct? = null {
        topicPartitions: [struct] {
          topicId: uuid
          partitions: [int32]
        }
      }
    `,
  },
  {
    key: 77,
    name: 'ShareGroupDescribe',
    versions: [1, 1],
    flexibleFrom: 0,
    request: `
      groupIds: [string]
      includeAuthorizedOperations: bool
    `,
    response: `
      throttleTimeMs: int32
      groups: [struct] {
        errorCode: int16
        errorMessage: string? = null
        groupId: string
        groupState: string
        groupEpoch: int32
        assignmentEpoch: int32
        assignorName: string
        members: [struct] {
          memberId: string
          rackId: string? = null
          memberEpoch: int32
          clientId: string
          clientHost: string
          subscribedTopicNames: [string]
          assignment: struct {
            topicPartitions: [struct] {
              topicId: uuid
              topicName: string
              partitions: [int32]
            }
          }
        }
        authorizedOperations: int32 = -2147483648
      }
    `,
  },
  {
    key: 78,
    name: 'ShareFetch',
    versions: [1, 2],
    flexibleFrom: 0,
    request: `
      groupId: string? = null
      memberId: string?
      shareSessionEpoch: int32
      maxWaitMs: int32
      minBytes: int32
      maxBytes: int32 = 2147483647
      maxRecords: int32
      batchSize: int32
      shareAcquireMode: int8 2+
      isRenewAck: bool 2+
      topics: [struct] {
        topicId: uuid
        partitions: [struct] {
          partitionIndex: int32
          acknowledgementBatches: [struct] {
            firstOffset: int64
            lastOffset: int64
            acknowledgeTypes: [int8]
          }
        }
      }
      forgottenTopicsData: [struct] {
        topicId: uuid
        partitions: [int32]
      }
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
      errorMessage: string? = null
      acquisitionLockTimeoutMs: int32
      responses: [struct] {
        topicId: uuid
        partitions: [struct] {
          partitionIndex: int32
          errorCode: int16
          errorMessage: string? = null
          acknowledgeErrorCode: int16
          acknowledgeErrorMessage: string? = null
          currentLeader: struct {
            leaderId: int32
            leaderEpoch: int32
          }
          records: records
          acquiredRecords: [struct] {
            firstOffset: int64
            lastOffset: int64
            deliveryCount: int16
          }
        }
      }
      nodeEndpoints: [struct] {
        nodeId: int32
        host: string
        port: int32
        rack: string? = null
      }
    `,
  },
  {
    key: 79,
    name: 'ShareAcknowledge',
    versions: [1, 2],
    flexibleFrom: 0,
    request: `
      groupId: string? = null
      memberId: string?
      shareSessionEpoch: int32
      isRenewAck: bool 2+
      topics: [struct] {
        topicId: uuid
        partitions: [struct] {
          partitionIndex: int32
          acknowledgementBatches: [struct] {
            firstOffset: int64
            lastOffset: int64
            acknowledgeTypes: [int8]
          }
        }
      }
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
      errorMessage: string? = null
      acquisitionLockTimeoutMs: int32 2+
      responses: [struct] {
        topicId: uuid
        partitions: [struct] {
          partitionIndex: int32
          errorCode: int16
          errorMessage: string? = null
          currentLeader: struct {
            leaderId: int32
            leaderEpoch: int32
          }
        }
      }
      nodeEndpoints: [struct] {
        nodeId: int32
        host: string
        port: int32
        rack: string? = null
      }
    `,
  },
  {
    key: 83,
    name: 'InitializeShareGroupState',
    versions: [0, 0],
    flexibleFrom: 0,
    request: `
      groupId: string
      topics: [struct] {
        topicId: uuid
        partitions: [struct] {
          partition: int32
          stateEpoch: int32
          startOffset: int64
        }
      }
    `,
    response: `
      results: [struct] {
        topicId: uuid
        partitions: [struct] {
          partition: int32
          errorCode: int16
          errorMessage: string? = null
        }
      }
    `,
  },
  {
    key: 84,
    name: 'ReadShareGroupState',
    versions: [0, 0],
    flexibleFrom: 0,
    request: `
      groupId: string
      topics: [struct] {
        topicId: uuid
        partitions: [struct] {
          partition: int32
          leaderEpoch: int32
        }
      }
    `,
    response: `
      results: [struct] {
        topicId: uuid
        partitions: [struct] {
          partition: int32
          errorCode: int16
          errorMessage: string? = null
          stateEpoch: int32
          startOffset: int64
          stateBatches: [struct] {
            firstOffset: int64
            lastOffset: int64
            deliveryState: int8
            deliveryCount: int16
          }
        }
      }
    `,
  },
  {
    key: 85,
    name: 'WriteShareGroupState',
    versions: [0, 1],
    flexibleFrom: 0,
    request: `
      groupId: string
      topics: [struct] {
        topicId: uuid
        partitions: [struct] {
          partition: int32
          stateEpoch: int32
          leaderEpoch: int32
          startOffset: int64
          deliveryCompleteCount: int32 1+ = -1
          stateBatches: [struct] {
            firstOffset: int64
            lastOffset: int64
            deliveryState: int8
            deliveryCount: int16
          }
        }
      }
    `,
    response: `
      results: [struct] {
        topicId: uuid
        partitions: [struct] {
          partition: int32
          errorCode: int16
          errorMessage: string? = null
        }
      }
    `,
  },
];
