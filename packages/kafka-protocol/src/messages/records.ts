// Message layouts: Produce, Fetch and offsets: what moves records. Facts of Kafka 4.3.1; the notation is described in ../layout.ts.
import type { ApiLayout } from '../layout.ts';

export const recordsLayouts: readonly ApiLayout[] = [
  {
    key: 0,
    name: 'Produce',
    versions: [0, 13],
    flexibleFrom: 9,
    request: `
      transactionalId: string? 3+ = null
      acks: int16
      timeoutMs: int32
      topicData: [struct] {
        name: string 0-12
        topicId: uuid 13+
        partitionData: [struct] {
          index: int32
          records: records?
        }
      }
    `,
    response: `
      responses: [struct] {
        name: string 0-12
        topicId: uuid 13+
        partitionResponses: [struct] {
          index: int32
          errorCode: int16
          baseOffset: int64
          logAppendTimeMs: int64 2+ = -1
          logStartOffset: int64 5+ = -1
          recordErrors: [struct] 8+ {
            batchIndex: int32
            batchIndexErrorMessage: string? = null
          }
          errorMessage: string? 8+ = null
          currentLeader: struct 10+ tag 0 {
            leaderId: int32 = -1
            leaderEpoch: int32 = -1
          }
        }
      }
      throttleTimeMs: int32 1+
      nodeEndpoints: [struct] 10+ tag 0 {
        nodeId: int32
        host: string
        port: int32
        rack: string? = null
      }
    `,
  },
  {
    key: 1,
    name: 'Fetch',
    versions: [4, 18],
    flexibleFrom: 12,
    request: `
      clusterId: string? 12+ = null tag 0
      replicaId: int32 4-14 = -1
      replicaState: struct 15+ tag 1 {
        replicaId: int32 = -1
        replicaEpoch: int64 = -1
      }
      maxWaitMs: int32
      minBytes: int32
      maxBytes: int32 = 2147483647
      isolationLevel: int8
      sessionId: int32 7+
      sessionEpoch: int32 7+ = -1
      topics: [struct] {
        topic: string 4-12
        topicId: uuid 13+
        partitions: [struct] {
          partition: int32
          currentLeaderEpoch: int32 9+ = -1
          fetchOffset: int64
          lastFetchedEpoch: int32 12+ = -1
          logStartOffset: int64 5+ = -1
          partitionMaxBytes: int32
          replicaDirectoryId: uuid 17+ tag 0
          highWatermark: int64 18+ = 9223372036854775807 tag 1
        }
      }
      forgottenTopicsData: [struct] 7+ {
        topic: string 7-12
        topicId: uuid 13+
        partitions: [int32]
      }
      rackId: string 11+
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16 7+
      sessionId: int32 7+
      responses: [struct] {
        topic: string 4-12
        topicId: uuid 13+
        partitions: [struct] {
          partitionIndex: int32
          errorCode: int16
          highWatermark: int64
          lastStableOffset: int64 = -1
          logStartOffset: int64 5+ = -1
          divergingEpoch: struct 12+ tag 0 {
            epoch: int32 = -1
            endOffset: int64 = -1
          }
          currentLeader: struct 12+ tag 1 {
            leaderId: int32 = -1
            leaderEpoch: int32 = -1
          }
          snapshotId: struct 12+ tag 2 {
            endOffset: int64 = -1
            epoch: int32 = -1
          }
          abortedTransactions: [struct]? {
            producerId: int64
            firstOffset: int64
          }
          preferredReadReplica: int32 11+ = -1
          records: records?
        }
      }
      nodeEndpoints: [struct] 16+ tag 0 {
        nodeId: int32
        host: string
        port: int32
        rack: string? = null
      }
    `,
  },
  {
    key: 2,
    name: 'ListOffsets',
    versions: [1, 11],
    flexibleFrom: 6,
    request: `
      replicaId: int32
      isolationLevel: int8 2+
      topics: [struct] {
        name: string
        partitions: [struct] {
          partitionIndex: int32
          currentLeaderEpoch: int32 4+ = -1
          timestamp: int64
        }
      }
      timeoutMs: int32 10+
    `,
    response: `
      throttleTimeMs: int32 2+
      topics: [struct] {
        name: string
        partitions: [struct] {
          partitionIndex: int32
          errorCode: int16
          timestamp: int64 = -1
          offset: int64 = -1
          leaderEpoch: int32 4+ = -1
        }
      }
    `,
  },
  {
    key: 23,
    name: 'OffsetForLeaderEpoch',
    versions: [2, 4],
    flexibleFrom: 4,
    request: `
      replicaId: int32 3+ = -2
      topics: [struct] {
        topic: string
        partitions: [struct] {
          partition: int32
          currentLeaderEpoch: int32 = -1
          leaderEpoch: int32
        }
      }
    `,
    response: `
      throttleTimeMs: int32
      topics: [struct] {
        topic: string
        partitions: [struct] {
          errorCode: int16
          partition: int32
          leaderEpoch: int32 = -1
          endOffset: int64 = -1
        }
      }
    `,
  },
  {
    key: 21,
    name: 'DeleteRecords',
    versions: [0, 2],
    flexibleFrom: 2,
    request: `
      topics: [struct] {
        name: string
        partitions: [struct] {
          partitionIndex: int32
          offset: int64
        }
      }
      timeoutMs: int32
    `,
    response: `
      throttleTimeMs: int32
      topics: [struct] {
        name: string
        partitions: [struct] {
          partitionIndex: int32
          lowWatermark: int64
          errorCode: int16
        }
      }
    `,
  },
];
