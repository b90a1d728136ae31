// Types of decoded bodies: Classic consumer groups and their offsets. Fields that a version does not have hold their default.
import type { Int64 } from '../wire.ts';

export interface OffsetCommitRequest {
  groupId: string;
  generationIdOrMemberEpoch: number;
  memberId: string;
  groupInstanceId: string | null;
  retentionTimeMs: Int64;
  topics: {
    name: string;
    topicId: string;
    partitions: {
      partitionIndex: number;
      committedOffset: Int64;
      committedLeaderEpoch: number;
      committedMetadata: string | null;
    }[];
  }[];
}

export interface OffsetCommitResponse {
  throttleTimeMs: number;
  topics: {
    name: string;
    topicId: string;
    partitions: {
      partitionIndex: number;
      errorCode: number;
    }[];
  }[];
}

export interface OffsetFetchRequest {
  groupId: string;
  topics:
    | {
        name: string;
        partitionIndexes: number[];
      }[]
    | null;
  groups: {
    groupId: string;
    memberId: string | null;
    memberEpoch: number;
    topics:
      | {
          name: string;
          topicId: string;
          partitionIndexes: number[];
        }[]
      | null;
  }[];
  requireStable: boolean;
}

export interface OffsetFetchResponse {
  throttleTimeMs: number;
  topics: {
    name: string;
    partitions: {
      partitionIndex: number;
      committedOffset: Int64;
      committedLeaderEpoch: number;
      metadata: string | null;
      errorCode: number;
    }[];
  }[];
  errorCode: number;
  groups: {
    groupId: string;
    topics: {
      name: string;
      topicId: string;
      partitions: {
        partitionIndex: number;
        committedOffset: Int64;
        committedLeaderEpoch: number;
        metadata: string | null;
        errorCode: number;
      }[];
    }[];
    errorCode: number;
  }[];
}

export interface FindCoordinatorRequest {
  key: string;
  keyType: number;
  coordinatorKeys: string[];
}

export interface FindCoordinatorResponse {
  throttleTimeMs: number;
  errorCode: number;
  errorMessage: string | null;
  nodeId: number;
  host: string;
  port: number;
  coordinators: {
    key: string;
    nodeId: number;
    host: string;
    port: number;
    errorCode: number;
    errorMessage: string | null;
  }[];
}

export interface JoinGroupRequest {
  groupId: string;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  memberId: string;
  groupInstanceId: string | null;
  protocolType: string;
  protocols: {
    name: string;
    metadata: Buffer;
  }[];
  reason: string | null;
}

export interface JoinGroupResponse {
  throttleTimeMs: number;
  errorCode: number;
  generationId: number;
  protocolType: string | null;
  protocolName: string | null;
  leader: string;
  skipAssignment: boolean;
  memberId: string;
  members: {
    memberId: string;
    groupInstanceId: string | null;
    metadata: Buffer;
  }[];
}

export interface HeartbeatRequest {
  groupId: string;
  generationId: number;
  memberId: string;
  groupInstanceId: string | null;
}

export interface HeartbeatResponse {
  throttleTimeMs: number;
  errorCode: number;
}

export interface LeaveGroupRequest {
  groupId: string;
  memberId: string;
  members: {
    memberId: string;
    groupInstanceId: string | null;
    reason: string | null;
  }[];
}

export interface LeaveGroupResponse {
  throttleTimeMs: number;
  errorCode: number;
  members: {
    memberId: string;
    groupInstanceId: string | null;
    errorCode: number;
  }[];
}

export interface SyncGroupRequest {
  groupId: string;
  generationId: number;
  memberId: string;
  groupInstanceId: string | null;
  protocolType: string | null;
  protocolName: string | null;
  assignments: {
    memberId: string;
    assignment: Buffer;
  }[];
}

export interface SyncGroupResponse {
  throttleTimeMs: number;
  errorCode: number;
  protocolType: string | null;
  protocolName: string | null;
  assignment: Buffer;
}

export interface DescribeGroupsRequest {
  groups: string[];
  includeAuthorizedOperations: boolean;
}

export interface DescribeGroupsResponse {
  throttleTimeMs: number;
  groups: {
    errorCode: number;
    errorMessage: string | null;
    groupId: string;
    groupState: string;
    protocolType: string;
    protocolData: string;
    members: {
      memberId: string;
      groupInstanceId: string | null;
      clientId: string;
      clientHost: string;
      memberMetadata: Buffer;
      memberAssignment: Buffer;
    }[];
    authorizedOperations: number;
  }[];
}

export interface ListGroupsRequest {
  statesFilter: string[];
  typesFilter: string[];
}

export interface ListGroupsResponse {
  throttleTimeMs: number;
  errorCode: number;
  groups: {
    groupId: string;
    protocolType: string;
    groupState: string;
    groupType: string;
  }[];
}

export interface DeleteGroupsRequest {
  groupsNames: string[];
}

export interface DeleteGroupsResponse {
  throttleTimeMs: number;
  results: {
    groupId: string;
    errorCode: number;
  }[];
}

export interface OffsetDeleteRequest {
  groupId: string;
  topics: {
    name: string;
    partitions: {
      partitionIndex: number;
    }[];
  }[];
}

export interface OffsetDeleteResponse {
  errorCode: number;
  throttleTimeMs: number;
  topics: {
    name: string;
    partitions: {
      partitionIndex: number;
      errorCode: number;
    }[];
  }[];
}
