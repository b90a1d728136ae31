// Message layouts: Idempotent and transactional producers. Facts of Kafka 4.3.1; the notation is described in ../layout.ts.
import type { ApiLayout } from '../layout.ts';

export const transactionsLayouts: readonly ApiLayout[] = [
  {
    key: 22,
    name: 'InitProducerId',
    versions: [0, 6],
    flexibleFrom: 2,
    request: `
      transactionalId: string?
      transactionTimeoutMs: int32
      producerId: int64 3+ = -1
      producerEpoch: int16 3+ = -1
      enable2Pc: bool 6+
      keepPreparedTxn: bool 6+
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
      producerId: int64 = -1
      producerEpoch: int16
      ongoingTxnProducerId: int64 6+ = -1
      ongoingTxnProducerEpoch: int16 6+ = -1
    `,
  },
  {
    key: 24,
    name: 'AddPartitionsToTxn',
    versions: [0, 5],
    flexibleFrom: 3,
    request: `
      transactions: [struct] 4+ {
        transactionalId: string
        producerId: int64
        producerEpoch: int16
        verifyOnly: bool
        topics: [struct] {
          name: string
          partitions: [int32]
        }
      }
      v3AndBelowTransactionalId: string 0-3
      v3AndBelowProducerId: int64 0-3
      v3AndBelowProducerEpoch: int16 0-3
      v3AndBelowTopics: [struct] 0-3 {
        name: string
        partitions: [int32]
      }
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16 4+
      resultsByTransaction: [struct] 4+ {
        transactionalId: string
        topicResults: [struct] {
          name: string
          resultsByPartition: [struct] {
            partitionIndex: int32
            partitionErrorCode: int16
          }
        }
      }
      resultsByTopicV3AndBelow: [struct] 0-3 {
        name: string
        resultsByPartition: [struct] {
          partitionIndex: int32
          partitionErrorCode: int16
        }
      }
    `,
  },
  {
    key: 25,
    name: 'AddOffsetsToTxn',
    versions: [0, 4],
    flexibleFrom: 3,
    request: `
      transactionalId: string
      producerId: int64
      producerEpoch: int16
      groupId: string
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
    `,
  },
  {
    key: 26,
    name: 'EndTxn',
    versions: [0, 5],
    flexibleFrom: 3,
    request: `
      transactionalId: string
      producerId: int64
      producerEpoch: int16
      committed: bool
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
      producerId: int64 5+ = -1
      producerEpoch: int16 5+ = -1
    `,
  },
  {
    key: 27,
    name: 'WriteTxnMarkers',
    versions: [1, 2],
    flexibleFrom: 1,
    request: `
      markers: [struct] {
        producerId: int64
        producerEpoch: int16
        transactionResult: bool
        topics: [struct] {
          name: string
          partitionIndexes: [int32]
        }
        coordinatorEpoch: int32
        transactionVersion: int8 2+
      }
    `,
    response: `
      markers: [struct] {
        producerId: int64
        topics: [struct] {
          name: string
          partitions: [struct] {
            partitionIndex: int32
            errorCode: int16
          }
        }
      }
    `,
  },
  {
    key: 28,
    name: 'TxnOffsetCommit',
    versions: [0, 5],
    flexibleFrom: 3,
    request: `
      transactionalId: string
      groupId: string
      producerId: int64
      producerEpoch: int16
      generationId: int32 3+ = -1
      memberId: string 3+
      groupInstanceId: string? 3+ = null
      topics: [struct] {
        name: string
        partitions: [struct] {
          partitionIndex: int32
          committedOffset: int64
          committedLeaderEpoch: int32 2+ = -1
          committedMetadata: string?
        }
      }
    `,
    response: `
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
  {
    key: 61,
    name: 'DescribeProducers',
    versions: [0, 0],
    flexibleFrom: 0,
    request: `
      topics: [struct] {
        name: string
        partitionIndexes: [int32]
      }
    `,
    response: `
      throttleTimeMs: int32
      topics: [struct] {
        name: string
        partitions: [struct] {
          partitionIndex: int32
          errorCode: int16
          errorMessage: string? = null
          activeProducers: [struct] {
            producerId: int64
            producerEpoch: int32
            lastSequence: int32 = -1
            lastTimestamp: int64 = -1
            coordinatorEpoch: int32
            currentTxnStartOffset: int64 = -1
          }
        }
      }
    `,
  },
  {
    key: 65,
    name: 'DescribeTransactions',
    versions: [0, 0],
    flexibleFrom: 0,
    request: `
      transactionalIds: [string]
    `,
    response: `
      throttleTimeMs: int32
      transactionStates: [struct] {
        errorCode: int16
        transactionalId: string
        transactionState: string
        transactionTimeoutMs: int32
        transactionStartTimeMs: int64
        producerId: int64
        producerEpoch: int16
        topics: [struct] {
          topic: string
          partitions: [int32]
        }
      }
    `,
  },
  {
    key: 66,
    name: 'ListTransactions',
    versions: [0, 2],
    flexibleFrom: 0,
    request: `
      stateFilters: [string]
      producerIdFilters: [int64]
      durationFilter: int64 1+ = -1
      transactionalIdPattern: string? 2+ = null
    `,
    response: `
      throttleTimeMs: int32
      errorCode: int16
      unknownStateFilters: [string]
      transactionStates: [struct] {
        transactionalId: string
        producerId: int64
        transactionState: string
      }
    `,
  },
];
