// One member of a classic group, and what its pending requests wait for.
import type { StoredMember } from './records.ts';

/** A protocol a member can take part in, with its opaque metadata. */
export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Buffer;
}

/** Answer to a JoinGroup. */
export interface JoinAnswer {
  readonly errorCode: number;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly memberId: string;
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly metadata: Buffer;
  }[];
}

/** Answer to a SyncGroup. */
export interface SyncAnswer {
  readonly errorCode: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: Buffer;
}

export const NO_BYTES: Buffer = Buffer.alloc(0);

/** A JoinGroup without success. */
export function joinFailure(memberId: string, error: { readonly code: number }): JoinAnswer {
  return {
    errorCode: error.code,
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: '',
    skipAssignment: false,
    memberId,
    members: [],
  };
}

/** A SyncGroup without success. */
export function syncFailure(error: { readonly code: number }): SyncAnswer {
  return { errorCode: error.code, protocolType: null, protocolName: null, assignment: NO_BYTES };
}

export interface MemberIdentity {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
}

export class Member {
  readonly identity: MemberIdentity;
  rebalanceTimeoutMs: number;
  sessionTimeoutMs: number;
  protocols: readonly MemberProtocol[];
  assignment: Buffer = NO_BYTES;
  /** Has not been in a completed generation yet. */
  isNew = true;
  /** Pending JoinGroup. */
  onJoined: ((answer: JoinAnswer) => void) | undefined;
  /** Pending SyncGroup. */
  onSynced: ((answer: SyncAnswer) => void) | undefined;
  /** Ends the running session timer. */
  cancelSession: (() => void) | undefined;

  constructor(
    identity: MemberIdentity,
    rebalanceTimeoutMs: number,
    sessionTimeoutMs: number,
    protocols: readonly MemberProtocol[],
  ) {
    this.identity = identity;
    this.rebalanceTimeoutMs = rebalanceTimeoutMs;
    this.sessionTimeoutMs = sessionTimeoutMs;
    this.protocols = protocols;
  }

  get id(): string {
    return this.identity.memberId;
  }
  get instanceId(): string | null {
    return this.identity.groupInstanceId;
  }

  /** Whether it would bring the same protocols again. */
  matches(protocols: readonly MemberProtocol[]): boolean {
    return (
      protocols.length === this.protocols.length &&
      protocols.every((protocol, index) => {
        const own = this.protocols[index];
        return own?.name === protocol.name && own.metadata.equals(protocol.metadata);
      })
    );
  }

  metadataFor(protocolName: string | null): Buffer {
    return this.protocols.find((protocol) => protocol.name === protocolName)?.metadata ?? NO_BYTES;
  }

  /** Its most wanted protocol among `candidates`. */
  vote(candidates: ReadonlySet<string>): string | undefined {
    return this.protocols.find((protocol) => candidates.has(protocol.name))?.name;
  }

  answerJoin(answer: JoinAnswer): void {
    const reply = this.onJoined;
    this.onJoined = undefined;
    reply?.(answer);
  }

  answerSync(answer: SyncAnswer): void {
    const reply = this.onSynced;
    this.onSynced = undefined;
    reply?.(answer);
  }

  toStored(protocolName: string | null): StoredMember {
    return {
      ...this.identity,
      rebalanceTimeout: this.rebalanceTimeoutMs,
      sessionTimeout: this.sessionTimeoutMs,
      subscription: this.metadataFor(protocolName),
      assignment: this.assignment,
    };
  }
}
