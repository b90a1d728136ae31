// Message layouts: Classic consumer groups and their offsets. Facts of Kafka 4.3.1; the notation is described in ../layout.ts.
import { type ApiLayout, NEVER } from '../layout.ts';

export const groupsLayouts: readonly ApiLayout[] = [
  {
    key: 8,
    name: 'OffsetCommit',
    versions: [2, 10],
    flexibleFrom: 8,
    request: `
      groupId: string
      generationIdOrMemberEpoch: int32 = -1
      memberId: string
      groupInstanceId: string? 7+ = null
      retentionTimeMs: int64 2-4 = -1
      topics: [struct] {
        name: string 2-9
        topicId: uuid 10+
        partitions: [struct] {
          partitionIndex: int32
          committedOffset: int64
          committedLeaderEpoch: int32 6+ = -1
          committedMetadata: string?
        }
      }
    `,
    response: `
      throttleTimeMs: int32 3+
      topics: [struct] {
        name: string 2-9
        topicId: uuid 10+
        partitions: [struct] {
          partitionIndex: int32
          errorCode: int16
        }
      }
    `,
  },
  {
    key: 9,
    name: 'OffsetFetch',
    versions: [1, 10],
    flexibleFrom: 6,
    request: `
      groupId: string 1-7
      topics: [struct]?2+ 1-7 {
        name: string
        partitionIndexes: [int32]
      }
      groups: [struct] 8+ {
        groupId: string
        memberId: string? 9+ = null
        memberEpoch: int32 9+ = -1
        topics: [struct]? {
          name: string 8-9
          topicId: uuid 10+
          partitionIndexes: [int32]
        }
      }
      requireStable: bool 7+
    `,
    response: `
      throttleTimeMs: int32 3+
      topics: [struct] 1-7 {
        name: string
        partitions: [struct] {
          partitionIndex: int32
          committedOffset: int64
          committedLeaderEpoch: int32 5+ = -1
          metadata: string?
          errorCode: int16
        }
      }
      errorCode: int16 2-7
      groups: [struct] 8+ {
        groupId: string
        topics: [struct] {
          name: string 8-9
          topicId: uuid 10+
          partitions: [struct] {
            partitionIndex: int32
            committedOffset: int64
            committedLeaderEpoch: int32 = -1
            metadata: string?
            errorCode: int16
          }
        }
        errorCode: int16
      }
    `,
  },
  {
    key: 10,
    name: 'FindCoordinator',
    versions: [0, 6],
    flexibleFrom: 3,
    request: `
      key: string 0-3
      keyType: int8 1+
      coordinatorKeys: [string] 4+
    `,
    response: `
      throttleTimeMs: int32 1+
      errorCode: int16 0-3
      errorMessage: string? 1-3
      nodeId: int32 0-3
      host: string 0-3
      port: int32 0-3
      coordinators: [struct] 4+ {
        key: string
        nodeId: int32
        host: string
        port: int32
        errorCode: int16
        errorMessage: string?
      }
    `,
  },
  {
    key: 11,
    name: 'JoinGroup',
    versions: [0, 9],
    flexibleFrom: 6,
    request: `
      groupId: string
      sessionTimeoutMs: int32
      rebalanceTimeoutMs: int32 1+ = -1
      memberId: string
      groupInstanceId: string? 5+ = null
      protocolType: string
      protocols: [struct] {
        name: string
        metadata: bytes
      }
      reason: string? 8+ = null
    `,
    response: `
      throttleTimeMs: int32 2+
      errorCode: int16
      generationId: int32 = -1
      protocolType: string? 7+ = null
      protocolName: string?7+
      leader: string
      skipAssignment: bool 9+
      memberId: string
      members: [struct] {
        memberId: string
        groupInstanceId: string? 5+ = null
        metadata: bytes
      }
    `,
  },
  {
    key: 12,
    name: 'Heartbeat',
    versions: [0, 4],
    flexibleFrom: 4,
    request: `
      groupId: string
      generationId: int32
      memberId: string
      groupInstanceId: string? 3+ = null
    `,
    response: `
      throttleTimeMs: int32 1+
      errorCode: int16
    `,
  },
  {
    key: 13,
    name: 'LeaveGroup',
    versions: [0, 5],
    flexibleFrom: 4,
    request: `
      groupId: string
      memberId: string 0-2
      members: [struct] 3+ {
        memberId: string
        groupInstanceId: string? = null
        reason: string? 5+ = null
      }
    `,
    response: `
      throttleTimeMs: int32 1+
      errorCode: int16
      members: [struct] 3+ {
        memberId: string
        groupInstanceId: string?
        errorCode: int16
      }
    `,
  },
  {
    key: 14,
    name: 'SyncGroup',
    versions: [0, 5],
    flexibleFrom: 4,
    request: `
      groupId: string
      generationId: int32
      memberId: string
      groupInstanceId: string? 3+ = null
      protocolType: string? 5+ = null
      protocolName: string? 5+ = null
      assignments: [struct] {
        memberId: string
        assignment: bytes
      }
    `,
    response: `
      throttleTimeMs: int32 1+
      errorCode: int16
      protocolType: string? 5+ = null
      protocolName: string? 5+ = null
      assignment: bytes
    `,
  },
  {
    key: 15,
    name: 'DescribeGroups',
    versions: [0, 6],
    flexibleFrom: 5,
    request: `
      groups: [string]
      includeAuthorizedOperations: bool 3+
    `,
    response: `
      throttleTimeMs: int32 1+
      groups: [struct] {
        errorCode: int16
        errorMessage: string? 6+ = null
        groupId: string
        groupState: string
        protocolType: string
        protocolData: string
        members: [struct] {
          memberId: string
          groupInstanceId: string? 4+ = null
          clientId: string
          clientHost: string
          memberMetadata: bytes
          memberAssignment: bytes
        }
        authorizedOperations: int32 3+ = -2147483648
      }
    `,
  },
  {
    key: 16,
    name: 'ListGroups',
    versions: [0, 5],
    flexibleFrom: 3,
    request: `
      statesFilter: [string] 4+
      typesFilter: [string] 5+
    `,
    response: `
      throttleTimeMs: int32 1+
      errorCode: int16
      groups: [struct] {
        groupId: string
        protocolType: string
        groupState: string 4+
        groupType: string 5+
      }
    `,
  },
  {
    key: 42,
    name: 'DeleteGroups',
    versions: [0, 2],
    flexibleFrom: 2,
    request: `
      groupsNames: [string]
    `,
    response: `
      throttleTimeMs: int32
      results: [struct] {
        groupId: string
        errorCode: int16
      }
    `,
  },
  {
    key: 47,
    name: 'OffsetDelete',
    versions: [0, 0],
    flexibleFrom: NEVER,
    request: `
      groupId: string
      topics: [struct] {
        name: string
        partitions: [struct] {
          partitionIndex: int32
        }
      }
    `,
    response: `
      errorCode: int16
      throttleTimeMs: int32
      topics: [struct] {
        name: string
        partitions: [struct] {
          partitionIndex: int32
          errorCode: int16
        }
      }
    `,
  },
];
