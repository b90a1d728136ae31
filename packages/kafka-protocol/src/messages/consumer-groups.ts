// Message layouts: Consumer groups of KIP-848. Facts of Kafka 4.3.1; the notation is described in ../layout.ts.
import type { ApiLayout } from '../layout.ts';

export const consumerGroupsLayouts: readonly ApiLayout[] = [
  {
    key: 68,
    name: 'ConsumerGroupHeartbeat',
    versions: [0, 1],
    flexibleFrom: 0,
    request: `
      groupId: string
      memberId: string
      memberEpoch: int32
      instanceId: string? = null
      rackId: string? = null
      rebalanceTimeoutMs: int32 = -1
      subscribedTopicNames: [string]? = null
      subscribedTopicRegex: string? 1+ = null
      serverAssignor: string? = null
      topicPartitions: [struct]? = null {
        topicId: uuid
        partitions: [int32]
      }
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
    key: 69,
    name: 'ConsumerGroupDescribe',
    versions: [0, 1],
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
          instanceId: string? = null
          rackId: string? = null
          memberEpoch: int32
          clientId: string
          clientHost: string
          subscribedTopicNames: [string]
          subscribedTopicRegex: string? = null
          assignment: struct {
            topicPartitions: [struct] {
              topicId: uuid
              topicName: string
              partitions: [int32]
            }
          }
          targetAssignment: struct {
            topicPartitions: [struct] {
              topicId: uuid
              topicName: string
              partitions: [int32]
            }
          }
          memberType: int8 1+ = -1
        }
        authorizedOperations: int32 = -2147483648
      }
    `,
  },
];
