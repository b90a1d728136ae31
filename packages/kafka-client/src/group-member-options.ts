// What a group member is made from, and what it tells of its group.
import type { Clock, Logger, MillraceError } from '@millrace/foundation';
import type { Cluster } from './cluster.ts';

/** One way of assigning that this member can follow. */
export interface GroupProtocol {
  readonly name: string;
  readonly metadata: Buffer;
}

/** A member as the leader sees it. */
export interface GroupPeer {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly metadata: Buffer;
}

export interface LeadRequest {
  /** The protocol that all members have in common. */
  readonly protocol: string;
  readonly generation: number;
  readonly memberId: string;
  readonly members: readonly GroupPeer[];
}

/** What a member got in a generation. */
export interface GroupAssignment {
  readonly protocol: string;
  readonly assignment: Buffer;
  readonly generation: number;
  readonly memberId: string;
  readonly isLeader: boolean;
}

export type LossReason =
  | 'session_expired'
  | 'fenced'
  | 'unknown_member'
  | 'stale_generation'
  /** The member wanted it so. */
  | 'stepped_out';

export interface GroupMemberOptions {
  readonly cluster: Cluster;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly groupId: string;
  /** `consumer`, `connect` or any other. */
  readonly protocolType: string;
  /** Asked anew at each join, in order of preference. */
  readonly protocols: () => readonly GroupProtocol[];
  /** Makes the membership static: a restart within the session time takes its old place without a rebalance. */
  readonly groupInstanceId?: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** Computes everybody's assignment; called on the leader only. Keys are member ids. */
  readonly lead: (request: LeadRequest) => Promise<ReadonlyMap<string, Buffer>> | ReadonlyMap<string, Buffer>;
  /**
   * A rebalance has begun: give back what must not be held through it. Absent: the member keeps all it has, tells the
   * group so in its metadata, and learns in `onAssigned` what to give up; its session is kept alive meanwhile.
   */
  readonly onRevoked?: (generation: number) => Promise<void> | void;
  readonly onAssigned: (assignment: GroupAssignment) => Promise<void> | void;
  /** Called before a member that keeps what it has joins again, with its session kept alive. */
  readonly beforeRejoin?: () => Promise<void> | void;
  /** The membership ended without a chance to give anything back. */
  readonly onLost?: (reason: LossReason) => Promise<void> | void;
  /** Called before each request that prolongs the session; the result is called when it has. */
  readonly onContact?: () => () => void;
  /** The member gave up for good. */
  readonly onFatal?: (error: MillraceError) => void;
}

export type MemberState = 'idle' | 'joining' | 'syncing' | 'stable' | 'stopped';
