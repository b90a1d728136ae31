// Message layouts: Creating, growing and placing topics. Facts of Kafka 4.3.1; the notation is described in ../layout.ts.
import type { ApiLayout } from '../layout.ts';

export const topicsLayouts: readonly ApiLayout[] = [
  {
    key: 19,
    name: 'CreateTopics',
    versions: [2, 7],
    flexibleFrom: 5,
    request: `
      topics: [struct] {
        name: string
        numPartitions: int32
        replicationFactor: int16
        assignments: [struct] {
          partitionIndex: int32
          brokerIds: [int32]
        }
        configs: [struct] {
          name: string
          value: string?
        }
      }
      timeoutMs: int32 = 60000
      validateOnly: bool
    `,
    response: `
      throttleTimeMs: int32
      topics: [struct] {
        name: string
        topicId: uuid 7+
        errorCode: int16
        errorMessage: string?
        topicConfigErrorCode: int16 5+ tag 0
        numPartitions: int32 5+ = -1
        replicationFactor: int16 5+ = -1
        configs: [struct]? 5+ {
          name: string
          value: string?
          readOnly: bool
          configSource: int8 = -1
          isSensitive: bool
        }
      }
    `,
  },
  {
    key: 20,
    name: 'DeleteTopics',
    versions: [1, 6],
    flexibleFrom: 4,
    request: `
      topics: [struct] 6+ {
        name: string? = null
        topicId: uuid
      }
      topicNames: [string] 1-5
      timeoutMs: int32
    `,
    response: `
      throttleTimeMs: int32
      responses: [struct] {
        name: string?6+
        topicId: uuid 6+
        errorCode: int16
        errorMessage: string? 5+ = null
      }
    `,
  },
  {
    key: 37,
    name: 'CreatePartitions',
    versions: [0, 3],
    flexibleFrom: 2,
    request: `
      topics: [struct] {
        name: string
        count: int32
        assignments: [struct]? {
          brokerIds: [int32]
        }
      }
      timeoutMs: int32
      validateOnly: bool
    `,
    response: `
      throttleTimeMs: int32
      results: [struct] {
        name: string
        errorCode: int16
        errorMessage: string? = null
      }
    `,
  },
  {
    key: 34,
    name: 'AlterReplicaLogDirs',
    versions: [1, 2],
    flexibleFrom: 2,
    request: `
      dirs: [struct] {
        path: string
        topics: [struct] {
          name: string
          partitions: [int32]
        }
      }
    `,
    response: `
      throttleTimeMs: int32
      results: [struct] {
        topicName: string
        partitions: [struct] {
          partitionIndex: int32
          errorCode: int16
        }
      }
    `,
  },
  {
    key: 35,
    name: 'DescribeLogDirs',
    versions: [1, 5],
    flexibleFrom: 2,
    request: `
      topics: [struct]? {
        topic: string
        partitions: [int32]
      }
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16 3+
      results: [struct] {
        errorCode: int16
        logDir: string
        topics: [struct] {
          name: string
          partitions: [struct] {
            partitionIndex: int32
            partitionSize: int64
            offsetLag: int64
            isFutureKey: bool
          }
        }
        totalBytes: int64 4+ = -1
        usableBytes: int64 4+ = -1
        isCordoned: bool 5+
      }
    `,
  },
  {
    key: 43,
    name: 'ElectLeaders',
    versions: [0, 2],
    flexibleFrom: 2,
    request: `
      electionType: int8 1+
      topicPartitions: [struct]? {
        topic: string
        partitions: [int32]
      }
      timeoutMs: int32 = 60000
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16 1+
      replicaElectionResults: [struct] {
        topic: string
        partitionResult: [struct] {
          partitionId: int32
          errorCode: int16
          errorMessage: string?
        }
      }
    `,
  },
  {
    key: 45,
    name: 'AlterPartitionReassignments',
    versions: [0, 1],
    flexibleFrom: 0,
    request: `
      timeoutMs: int32 = 60000
      allowReplicationFactorChange: bool 1+ = true
      topics: [struct] {
        name: string
        partitions: [struct] {
          partitionIndex: int32
          replicas: [int32]? = null
        }
      }
    `,
    response: `
      throttleTimeMs: int32
      allowReplicationFactorChange: bool 1+ = true
      errorCode: int16
      errorMessage: string?
      responses: [struct] {
        name: string
        partitions: [struct] {
          partitionIndex: int32
          errorCode: int16
          errorMessage: string?
        }
      }
    `,
  },
  {
    key: 46,
    name: 'ListPartitionReassignments',
    versions: [0, 0],
    flexibleFrom: 0,
    request: `
      timeoutMs: int32 = 60000
      topics: [struct]? = null {
        name: string
        partitionIndexes: [int32]
      }
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
      errorMessage: string?
      topics: [struct] {
        name: string
        partitions: [struct] {
          partitionIndex: int32
          replicas: [int32]
          addingReplicas: [int32]
          removingReplicas: [int32]
        }
      }
    `,
  },
];
