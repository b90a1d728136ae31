// Types of decoded bodies: Idempotent and transactional producers. Fields that a version does not have hold their default.
import type { Int64 } from '../wire.ts';

export interface InitProducerIdRequest {
  transactionalId: string | null;
  transactionTimeoutMs: number;
  producerId: Int64;
  producerEpoch: number;
  enable2Pc: boolean;
  keepPreparedTxn: boolean;
}

export interface InitProducerIdResponse {
  throttleTimeMs: number;
  errorCode: number;
  producerId: Int64;
  producerEpoch: number;
  ongoingTxnProducerId: Int64;
  ongoingTxnProducerEpoch: number;
}

export interface AddPartitionsToTxnRequest {
  transactions: {
    transactionalId: string;
    producerId: Int64;
    producerEpoch: number;
    verifyOnly: boolean;
    topics: {
      name: string;
      partitions: number[];
    }[];
  }[];
  v3AndBelowTransactionalId: string;
  v3AndBelowProducerId: Int64;
  v3AndBelowProducerEpoch: number;
  v3AndBelowTopics: {
    name: string;
    partitions: number[];
  }[];
}

export interface AddPartitionsToTxnResponse {
  throttleTimeMs: number;
  errorCode: number;
  resultsByTransaction: {
    transactionalId: string;
    topicResults: {
      name: string;
      resultsByPartition: {
        partitionIndex: number;
        partitionErrorCode: number;
      }[];
    }[];
  }[];
  resultsByTopicV3AndBelow: {
    name: string;
    resultsByPartition: {
      partitionIndex: number;
      partitionErrorCode: number;
    }[];
  }[];
}

export interface AddOffsetsToTxnRequest {
  transactionalId: string;
  producerId: Int64;
  producerEpoch: number;
  groupId: string;
}

export interface AddOffsetsToTxnResponse {
  throttleTimeMs: number;
  errorCode: number;
}

export interface EndTxnRequest {
  transactionalId: string;
  producerId: Int64;
  producerEpoch: number;
  committed: boolean;
}

export interface EndTxnResponse {
  throttleTimeMs: number;
  errorCode: number;
  producerId: Int64;
  producerEpoch: number;
}

export interface TxnOffsetCommitRequest {
  transactionalId: string;
  groupId: string;
  producerId: Int64;
  producerEpoch: number;
  generationId: number;
  memberId: string;
  groupInstanceId: string | null;
  topics: {
    name: string;
    partitions: {
      partitionIndex: number;
      committedOffset: Int64;
      committedLeaderEpoch: number;
      committedMetadata: string | null;
    }[];
  }[];
}

export interface TxnOffsetCommitResponse {
  throttleTimeMs: number;
  topics: {
    name: string;
    partitions: {
      partitionIndex: number;
      errorCode: number;
    }[];
  }[];
}
