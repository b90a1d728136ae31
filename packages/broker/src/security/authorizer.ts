// Who may do what, by the rules of Kafka's StandardAuthorizer: super users everything; else a rule that denies beats
// those that allow; without any rule for a resource the default decides. The rules are durable in the metadata log.
import type { Logger } from '@millrace/foundation';
import type { MetadataLog } from '../metadata/metadata-log.ts';
import type { MetadataRecord } from '../metadata/topics.ts';
import {
  type Acl,
  type AclFilter,
  aclKey,
  aclMatches,
  Operation,
  Pattern,
  Permission,
  WILDCARD,
  WILDCARD_PRINCIPAL,
} from './acl.ts';

/** What a rule that allows these operations allows besides. */
const IMPLIED: Readonly<Record<number, readonly number[]>> = {
  [Operation.describe]: [Operation.read, Operation.write, Operation.delete, Operation.alter],
  [Operation.describeConfigs]: [Operation.alterConfigs],
};

/** Decisions remembered until a rule changes, and the longest name with which one is: names come from clients. INV-5. */
const MAX_REMEMBERED = 10_000;
const MAX_REMEMBERED_NAME = 1_000;
/** A name nobody has a rule for: what is allowed on it is allowed on every name. */
const ANY_NAME = 'hardcode';

/** Somebody who asks. */
export interface Requester {
  readonly principal: string;
  /** The address he comes from, as text. */
  readonly host: string;
}

/** Something to be done to a resource. */
export interface Action {
  readonly operation: number;
  readonly resourceType: number;
  readonly resourceName: string;
}

export interface AuthorizerOptions {
  readonly superUsers: ReadonlySet<string>;
  readonly allowWithoutAcl: boolean;
  readonly logger: Logger;
}

export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #acls = new Map<string, Acl>();
  /** By resource type and name. */
  readonly #literal = new Map<string, Acl[]>();
  /** By resource type. */
  readonly #prefixed = new Map<number, Acl[]>();
  readonly #decisions = new Map<string, boolean>();
  /** Refusals that were logged. */
  readonly #told = new Set<string>();
  #changing: Promise<unknown> = Promise.resolve();

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** Takes the rules of the metadata log over. */
  load(records: readonly MetadataRecord[]): void {
    for (const record of records) {
      if (record.type === 'acl') this.#acls.set(aclKey(record.acl), record.acl);
      else if (record.type === 'acl-deleted') this.#acls.delete(aclKey(record.acl));
    }
    this.#index();
  }

  /** What the metadata log must keep. */
  records(): MetadataRecord[] {
    return [...this.#acls.values()].map((acl) => ({ type: 'acl', acl }));
  }

  /** Stores new rules; those that exist already stay as they are. */
  add(metadata: MetadataLog<MetadataRecord>, acls: readonly Acl[]): Promise<void> {
    return this.#exclusive(async () => {
      const fresh = acls.filter((acl) => !this.#acls.has(aclKey(acl)));
      if (fresh.length > 0) await metadata.append(...fresh.map((acl) => ({ type: 'acl', acl }) as const));
      for (const acl of fresh) this.#acls.set(aclKey(acl), acl);
      this.#index();
    });
  }

  /** Removes what each filter finds, and says what that was. */
  remove(metadata: MetadataLog<MetadataRecord>, filters: readonly AclFilter[]): Promise<Acl[][]> {
    return this.#exclusive(async () => {
      const found = filters.map((filter) => this.find(filter));
      const gone = new Map(found.flat().map((acl) => [aclKey(acl), acl]));
      const records = [...gone.values()].map((acl) => ({ type: 'acl-deleted', acl }) as const);
      if (records.length > 0) await metadata.append(...records);
      for (const key of gone.keys()) this.#acls.delete(key);
      this.#index();
      return found;
    });
  }

  find(filter: AclFilter): Acl[] {
    return [...this.#acls.values()].filter((acl) => aclMatches(filter, acl));
  }

  /** Whether somebody may do something. */
  allows(requester: Requester, action: Action): boolean {
    const key = keyOf(requester, action);
    const known = this.#decisions.get(key);
    if (known !== undefined) return known;
    const allowed = this.#decide(requester, action);
    if (action.resourceName.length > MAX_REMEMBERED_NAME) return allowed;
    if (this.#decisions.size >= MAX_REMEMBERED) this.#decisions.clear();
    this.#decisions.set(key, allowed);
    return allowed;
  }

  /** Logs a refusal of what was asked by name; the same one again only after the rules have changed. */
  noteRefusal(requester: Requester, action: Action): void {
    const name = action.resourceName.slice(0, MAX_REMEMBERED_NAME);
    const key = keyOf(requester, { ...action, resourceName: name });
    if (this.#told.has(key)) return;
    if (this.#told.size >= MAX_REMEMBERED) this.#told.clear();
    this.#told.add(key);
    const operation = nameOf(Operation, action.operation);
    const resource = `${nameOf(RESOURCE_NAMES, action.resourceType)}:${name}`;
    this.#options.logger.info({ ...requester, operation, resource }, 'access was refused');
  }

  /** Whether there is any resource of a type that somebody may do this to (KIP-679). */
  allowsAny(requester: Requester, operation: number, resourceType: number): boolean {
    if (this.#decide(requester, { operation, resourceType, resourceName: ANY_NAME })) return true;
    const rules = [...this.#acls.values()].filter(
      (acl) =>
        acl.resourceType === resourceType &&
        concerns(acl, requester) &&
        (acl.operation === operation || acl.operation === Operation.all),
    );
    const denied = rules.filter((acl) => acl.permissionType === Permission.deny);
    const isDenied = (name: string): boolean =>
      denied.some((acl) =>
        acl.patternType === Pattern.prefixed ? name.startsWith(acl.resourceName) : false,
      );
    const isDeniedWhole = (acl: Acl): boolean =>
      denied.some(
        (other) =>
          other.patternType === Pattern.literal &&
          (other.resourceName === WILDCARD ||
            (acl.patternType === Pattern.literal && other.resourceName === acl.resourceName)),
      );
    return rules.some(
      (acl) => acl.permissionType === Permission.allow && !isDeniedWhole(acl) && !isDenied(acl.resourceName),
    );
  }

  #decide(requester: Requester, action: Action): boolean {
    const { superUsers, allowWithoutAcl } = this.#options;
    if (superUsers.has(requester.principal)) return true;
    let found = false;
    let allowed = false;
    for (const acl of this.#rulesFor(action)) {
      found = true;
      if (!concerns(acl, requester)) continue;
      if (acl.permissionType === Permission.deny) {
        if (acl.operation === action.operation || acl.operation === Operation.all) return false;
      } else {
        allowed ||= allowsOperation(acl.operation, action.operation);
      }
    }
    return found ? allowed : allowWithoutAcl;
  }

  *#rulesFor({ resourceType, resourceName }: Action): Generator<Acl> {
    yield* this.#literal.get(`${resourceType} ${resourceName}`) ?? [];
    if (resourceName !== WILDCARD) yield* this.#literal.get(`${resourceType} ${WILDCARD}`) ?? [];
    for (const acl of this.#prefixed.get(resourceType) ?? []) {
      if (resourceName.startsWith(acl.resourceName)) yield acl;
    }
  }

  #index(): void {
    this.#literal.clear();
    this.#prefixed.clear();
    this.#decisions.clear();
    this.#told.clear();
    for (const acl of this.#acls.values()) {
      if (acl.patternType === Pattern.literal) {
        addTo(this.#literal, `${acl.resourceType} ${acl.resourceName}`, acl);
      } else {
        addTo(this.#prefixed, acl.resourceType, acl);
      }
    }
  }

  #exclusive<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#changing.then(change);
    this.#changing = done.catch(() => undefined);
    return done;
  }
}

const RESOURCE_NAMES = {
  Topic: 2,
  Group: 3,
  Cluster: 4,
  TransactionalId: 5,
  DelegationToken: 6,
  User: 7,
} as const;

/** Principals and names may hold any character: with its length in front no principal runs into what follows. */
function keyOf({ principal, host }: Requester, { operation, resourceType, resourceName }: Action): string {
  return `${operation} ${resourceType} ${principal.length} ${principal} ${host} ${resourceName}`;
}

function nameOf(numbers: Readonly<Record<string, number>>, value: number): string {
  return Object.entries(numbers).find(([, number]) => number === value)?.[0] ?? String(value);
}

function concerns(acl: Acl, { principal, host }: Requester): boolean {
  return (
    (acl.principal === principal || acl.principal === WILDCARD_PRINCIPAL) &&
    (acl.host === WILDCARD || acl.host === host)
  );
}

function allowsOperation(granted: number, asked: number): boolean {
  return granted === asked || granted === Operation.all || (IMPLIED[asked]?.includes(granted) ?? false);
}

function addTo<K>(map: Map<K, Acl[]>, key: K, acl: Acl): void {
  const known = map.get(key);
  if (known) known.push(acl);
  else map.set(key, [acl]);
}
