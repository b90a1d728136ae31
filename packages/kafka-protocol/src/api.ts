// The table of APIs whose messages the codecs know, and their versions.
import { type ApiLayout, NEVER } from './layout.ts';
import { clusterLayouts } from './messages/cluster.ts';
import { configsLayouts } from './messages/configs.ts';
import { consumerGroupsLayouts } from './messages/consumer-groups.ts';
import { groupsLayouts } from './messages/groups.ts';
import { recordsLayouts } from './messages/records.ts';
import { securityLayouts } from './messages/security.ts';
import { shareGroupsLayouts } from './messages/share-groups.ts';
import { topicsLayouts } from './messages/topics.ts';
import { transactionsLayouts } from './messages/transactions.ts';

/** API keys by name. */
export const API = {
  Produce: 0,
  Fetch: 1,
  ListOffsets: 2,
  Metadata: 3,
  OffsetCommit: 8,
  OffsetFetch: 9,
  FindCoordinator: 10,
  JoinGroup: 11,
  Heartbeat: 12,
  LeaveGroup: 13,
  SyncGroup: 14,
  DescribeGroups: 15,
  ListGroups: 16,
  SaslHandshake: 17,
  ApiVersions: 18,
  CreateTopics: 19,
  DeleteTopics: 20,
  DeleteRecords: 21,
  InitProducerId: 22,
  OffsetForLeaderEpoch: 23,
  AddPartitionsToTxn: 24,
  AddOffsetsToTxn: 25,
  EndTxn: 26,
  WriteTxnMarkers: 27,
  TxnOffsetCommit: 28,
  DescribeAcls: 29,
  CreateAcls: 30,
  DeleteAcls: 31,
  DescribeConfigs: 32,
  AlterConfigs: 33,
  AlterReplicaLogDirs: 34,
  DescribeLogDirs: 35,
  SaslAuthenticate: 36,
  CreatePartitions: 37,
  CreateDelegationToken: 38,
  RenewDelegationToken: 39,
  ExpireDelegationToken: 40,
  DescribeDelegationToken: 41,
  DeleteGroups: 42,
  ElectLeaders: 43,
  IncrementalAlterConfigs: 44,
  AlterPartitionReassignments: 45,
  ListPartitionReassignments: 46,
  OffsetDelete: 47,
  DescribeClientQuotas: 48,
  AlterClientQuotas: 49,
  DescribeUserScramCredentials: 50,
  AlterUserScramCredentials: 51,
  DescribeQuorum: 55,
  UpdateFeatures: 57,
  DescribeCluster: 60,
  DescribeProducers: 61,
  UnregisterBroker: 64,
  DescribeTransactions: 65,
  ListTransactions: 66,
  ConsumerGroupHeartbeat: 68,
  ConsumerGroupDescribe: 69,
  GetTelemetrySubscriptions: 71,
  PushTelemetry: 72,
  ListConfigResources: 74,
  DescribeTopicPartitions: 75,
  ShareGroupHeartbeat: 76,
  ShareGroupDescribe: 77,
  ShareFetch: 78,
  ShareAcknowledge: 79,
  InitializeShareGroupState: 83,
  ReadShareGroupState: 84,
  WriteShareGroupState: 85,
} as const;

export type ApiName = keyof typeof API;

/** What the codecs know of one API. Versions are inclusive. */
export interface ApiSpec {
  readonly key: number;
  readonly name: string;
  readonly minVersion: number;
  readonly maxVersion: number;
  /** First version with compact types and tagged fields; beyond `maxVersion` when there is none. */
  readonly flexibleFrom: number;
}

const LAYOUTS: ReadonlyMap<number, ApiLayout> = new Map(
  [
    recordsLayouts,
    clusterLayouts,
    groupsLayouts,
    consumerGroupsLayouts,
    transactionsLayouts,
    topicsLayouts,
    configsLayouts,
    securityLayouts,
    shareGroupsLayouts,
  ]
    .flat()
    .map((layout) => [layout.key, layout]),
);

/** The versions of an API that the codecs know, up to Kafka 4.3. */
export function apiSpec(key: number): ApiSpec | undefined {
  const layout = LAYOUTS.get(key);
  if (layout === undefined) return undefined;
  const [minVersion, maxVersion] = layout.versions;
  return { key, name: layout.name, minVersion, maxVersion, flexibleFrom: layout.flexibleFrom };
}

/** The layout of an API, for the codecs. */
export function apiLayout(key: number): ApiLayout | undefined {
  return LAYOUTS.get(key);
}

/** Whether a version of an API uses compact types and tagged fields. Unknown APIs count as not flexible. */
export function isFlexible(key: number, version: number): boolean {
  return version >= (LAYOUTS.get(key)?.flexibleFrom ?? NEVER);
}
