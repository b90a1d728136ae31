// Types of decoded bodies: Produce, Fetch and offsets: what moves records. Fields that a version does not have hold their default.
import type { Int64 } from '../wire.ts';

export interface ProduceRequest {
  transactionalId: string | null;
  acks: number;
  timeoutMs: number;
  topicData: {
    name: string;
    topicId: string;
    partitionData: {
      index: number;
      records: Buffer | null;
    }[];
  }[];
}

export interface ProduceResponse {
  responses: {
    name: string;
    topicId: string;
    partitionResponses: {
      index: number;
      errorCode: number;
      baseOffset: Int64;
      logAppendTimeMs: Int64;
      logStartOffset: Int64;
      recordErrors: {
        batchIndex: number;
        batchIndexErrorMessage: string | null;
      }[];
      errorMessage: string | null;
      currentLeader: {
        leaderId: number;
        leaderEpoch: number;
      } | null;
    }[];
  }[];
  throttleTimeMs: number;
  nodeEndpoints: {
    nodeId: number;
    host: string;
    port: number;
    rack: string | null;
  }[];
}

export interface FetchRequest {
  clusterId: string | null;
  replicaId: number;
  replicaState: {
    replicaId: number;
    replicaEpoch: Int64;
  } | null;
  maxWaitMs: number;
  minBytes: number;
  maxBytes: number;
  isolationLevel: number;
  sessionId: number;
  sessionEpoch: number;
  topics: {
    topic: string;
    topicId: string;
    partitions: {
      partition: number;
      currentLeaderEpoch: number;
      fetchOffset: Int64;
      lastFetchedEpoch: number;
      logStartOffset: Int64;
      partitionMaxBytes: number;
      replicaDirectoryId: string;
      highWatermark: Int64;
    }[];
  }[];
  forgottenTopicsData: {
    topic: string;
    topicId: string;
    partitions: number[];
  }[];
  rackId: string;
}

export interface FetchResponse {
  throttleTimeMs: number;
  errorCode: number;
  sessionId: number;
  responses: {
    topic: string;
    topicId: string;
    partitions: {
      partitionIndex: number;
      errorCode: number;
      highWatermark: Int64;
      lastStableOffset: Int64;
      logStartOffset: Int64;
      divergingEpoch: {
        epoch: number;
        endOffset: Int64;
      } | null;
      currentLeader: {
        leaderId: number;
        leaderEpoch: number;
      } | null;
      snapshotId: {
        endOffset: Int64;
        epoch: number;
      } | null;
      abortedTransactions:
        | {
            producerId: Int64;
            firstOffset: Int64;
          }[]
        | null;
      preferredReadReplica: number;
      records: Buffer | null;
    }[];
  }[];
  nodeEndpoints: {
    nodeId: number;
    host: string;
    port: number;
    rack: string | null;
  }[];
}

export interface ListOffsetsRequest {
  replicaId: number;
  isolationLevel: number;
  topics: {
    name: string;
    partitions: {
      partitionIndex: number;
      currentLeaderEpoch: number;
      timestamp: Int64;
    }[];
  }[];
  timeoutMs: number;
}

export interface ListOffsetsResponse {
  throttleTimeMs: number;
  topics: {
    name: string;
    partitions: {
      partitionIndex: number;
      errorCode: number;
      timestamp: Int64;
      offset: Int64;
      leaderEpoch: number;
    }[];
  }[];
}

export interface OffsetForLeaderEpochRequest {
  replicaId: number;
  topics: {
    topic: string;
    partitions: {
      partition: number;
      currentLeaderEpoch: number;
      leaderEpoch: number;
    }[];
  }[];
}

export interface OffsetForLeaderEpochResponse {
  throttleTimeMs: number;
  topics: {
    topic: string;
    partitions: {
      errorCode: number;
      partition: number;
      leaderEpoch: number;
      endOffset: Int64;
    }[];
  }[];
}

export interface DeleteRecordsRequest {
  topics: {
    name: string;
    partitions: {
      partitionIndex: number;
      offset: Int64;
    }[];
  }[];
  timeoutMs: number;
}

export interface DeleteRecordsResponse {
  throttleTimeMs: number;
  topics: {
    name: string;
    partitions: {
      partitionIndex: number;
      lowWatermark: Int64;
      errorCode: number;
    }[];
  }[];
}
