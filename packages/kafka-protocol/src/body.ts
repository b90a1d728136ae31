// Types of message bodies: typed by API key for the APIs in daily use, a plain record for the others.

import type {
  ApiVersionsRequest,
  ApiVersionsResponse,
  DescribeClusterRequest,
  DescribeClusterResponse,
  MetadataRequest,
  MetadataResponse,
} from './bodies/cluster.ts';
import type {
  AlterConfigsRequest,
  AlterConfigsResponse,
  DescribeConfigsRequest,
  DescribeConfigsResponse,
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from './bodies/configs.ts';
import type {
  DeleteGroupsRequest,
  DeleteGroupsResponse,
  DescribeGroupsRequest,
  DescribeGroupsResponse,
  FindCoordinatorRequest,
  FindCoordinatorResponse,
  HeartbeatRequest,
  HeartbeatResponse,
  JoinGroupRequest,
  JoinGroupResponse,
  LeaveGroupRequest,
  LeaveGroupResponse,
  ListGroupsRequest,
  ListGroupsResponse,
  OffsetCommitRequest,
  OffsetCommitResponse,
  OffsetDeleteRequest,
  OffsetDeleteResponse,
  OffsetFetchRequest,
  OffsetFetchResponse,
  SyncGroupRequest,
  SyncGroupResponse,
} from './bodies/groups.ts';
import type {
  DeleteRecordsRequest,
  DeleteRecordsResponse,
  FetchRequest,
  FetchResponse,
  ListOffsetsRequest,
  ListOffsetsResponse,
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
  ProduceRequest,
  ProduceResponse,
} from './bodies/records.ts';
import type {
  SaslAuthenticateRequest,
  SaslAuthenticateResponse,
  SaslHandshakeRequest,
  SaslHandshakeResponse,
} from './bodies/security.ts';
import type {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
  CreateTopicsRequest,
  CreateTopicsResponse,
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from './bodies/topics.ts';
import type {
  AddOffsetsToTxnRequest,
  AddOffsetsToTxnResponse,
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
  EndTxnRequest,
  EndTxnResponse,
  InitProducerIdRequest,
  InitProducerIdResponse,
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
} from './bodies/transactions.ts';

/** A body of any API: Kafka's field names in lowerCamelCase. */
export type Body = Record<string, unknown>;

/** Request and response by API key. */
export interface TypedBodies {
  0: { request: ProduceRequest; response: ProduceResponse };
  1: { request: FetchRequest; response: FetchResponse };
  2: { request: ListOffsetsRequest; response: ListOffsetsResponse };
  3: { request: MetadataRequest; response: MetadataResponse };
  8: { request: OffsetCommitRequest; response: OffsetCommitResponse };
  9: { request: OffsetFetchRequest; response: OffsetFetchResponse };
  10: { request: FindCoordinatorRequest; response: FindCoordinatorResponse };
  11: { request: JoinGroupRequest; response: JoinGroupResponse };
  12: { request: HeartbeatRequest; response: HeartbeatResponse };
  13: { request: LeaveGroupRequest; response: LeaveGroupResponse };
  14: { request: SyncGroupRequest; response: SyncGroupResponse };
  15: { request: DescribeGroupsRequest; response: DescribeGroupsResponse };
  16: { request: ListGroupsRequest; response: ListGroupsResponse };
  17: { request: SaslHandshakeRequest; response: SaslHandshakeResponse };
  18: { request: ApiVersionsRequest; response: ApiVersionsResponse };
  19: { request: CreateTopicsRequest; response: CreateTopicsResponse };
  20: { request: DeleteTopicsRequest; response: DeleteTopicsResponse };
  21: { request: DeleteRecordsRequest; response: DeleteRecordsResponse };
  22: { request: InitProducerIdRequest; response: InitProducerIdResponse };
  23: { request: OffsetForLeaderEpochRequest; response: OffsetForLeaderEpochResponse };
  24: { request: AddPartitionsToTxnRequest; response: AddPartitionsToTxnResponse };
  25: { request: AddOffsetsToTxnRequest; response: AddOffsetsToTxnResponse };
  26: { request: EndTxnRequest; response: EndTxnResponse };
  28: { request: TxnOffsetCommitRequest; response: TxnOffsetCommitResponse };
  32: { request: DescribeConfigsRequest; response: DescribeConfigsResponse };
  33: { request: AlterConfigsRequest; response: AlterConfigsResponse };
  36: { request: SaslAuthenticateRequest; response: SaslAuthenticateResponse };
  37: { request: CreatePartitionsRequest; response: CreatePartitionsResponse };
  42: { request: DeleteGroupsRequest; response: DeleteGroupsResponse };
  44: { request: IncrementalAlterConfigsRequest; response: IncrementalAlterConfigsResponse };
  47: { request: OffsetDeleteRequest; response: OffsetDeleteResponse };
  60: { request: DescribeClusterRequest; response: DescribeClusterResponse };
}

/** The body of a request with this key; a plain record when the key is only known at run time. */
export type RequestBody<K extends number> = K extends keyof TypedBodies ? TypedBodies[K]['request'] : Body;
/** The body of a response to this key. */
export type ResponseBody<K extends number> = K extends keyof TypedBodies ? TypedBodies[K]['response'] : Body;

/** What may be given to an encoder: missing fields take Kafka's defaults, bytes may come in parts. */
export type Encodable<T> = T extends Buffer
  ? Buffer | readonly Buffer[]
  : T extends readonly (infer E)[]
    ? readonly Encodable<E>[]
    : T extends object
      ? { readonly [P in keyof T]?: Encodable<T[P]> | undefined }
      : T;
