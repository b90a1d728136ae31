import { LogHub, silentLogger } from '@millrace/foundation';
import { describe, expect, it } from 'vitest';
import { RULES } from '../api/authorization.ts';
import { ApiRegistry } from '../api/registry.ts';
import { type Acl, Operation, Pattern, Permission, Resource } from './acl.ts';
import { Authorizer, type Requester } from './authorizer.ts';

const alice: Requester = { principal: 'User:alice', host: '10.0.0.1' };

function acl(change: Partial<Acl>): Acl {
  return {
    resourceType: Resource.topic,
    resourceName: 'orders',
    patternType: Pattern.literal,
    principal: 'User:alice',
    host: '*',
    operation: Operation.read,
    permissionType: Permission.allow,
    ...change,
  };
}

function authorizer(acls: readonly Acl[], options: { allowWithoutAcl?: boolean } = {}): Authorizer {
  const made = new Authorizer({
    superUsers: new Set(['User:admin']),
    allowWithoutAcl: options.allowWithoutAcl ?? false,
    logger: silentLogger,
  });
  made.load(acls.map((rule) => ({ type: 'acl', acl: rule }) as const));
  return made;
}

function may(made: Authorizer, operation: number, name: string, who: Requester = alice): boolean {
  return made.allows(who, { operation, resourceType: Resource.topic, resourceName: name });
}

describe('the authorizer', () => {
  it('lets super users do everything, and others nothing without a rule', () => {
    const made = authorizer([acl({ principal: 'User:admin', permissionType: Permission.deny })]);
    expect(may(made, Operation.read, 'orders', { ...alice, principal: 'User:admin' })).toBe(true);
    expect(may(made, Operation.read, 'other')).toBe(false);
  });

  it('takes names literally, by prefix, and by the wildcard', () => {
    const rules: [Partial<Acl>, string[], string[]][] = [
      [{}, ['orders'], ['orders2', 'order', 'Orders']],
      [{ resourceName: 'ord', patternType: Pattern.prefixed }, ['ord', 'orders'], ['or', 'xord']],
      [{ resourceName: '*' }, ['anything'], []],
      [{ resourceName: '*', patternType: Pattern.prefixed }, ['*x'], ['anything']],
      [{ resourceType: Resource.group }, [], ['orders']],
    ];
    for (const [rule, yes, no] of rules) {
      const made = authorizer([acl(rule)]);
      for (const name of yes) expect(may(made, Operation.read, name), name).toBe(true);
      for (const name of no) expect(may(made, Operation.read, name), name).toBe(false);
    }
  });

  it('allows what an allowed operation implies, and denies only what is named', () => {
    for (const operation of [Operation.read, Operation.write, Operation.delete, Operation.alter]) {
      expect(may(authorizer([acl({ operation })]), Operation.describe, 'orders')).toBe(true);
    }
    const configs = authorizer([acl({ operation: Operation.alterConfigs })]);
    expect(may(configs, Operation.describeConfigs, 'orders')).toBe(true);
    expect(may(configs, Operation.describe, 'orders')).toBe(false);
    expect(may(authorizer([acl({ operation: Operation.describe })]), Operation.read, 'orders')).toBe(false);
    expect(may(authorizer([acl({ operation: Operation.all })]), Operation.create, 'orders')).toBe(true);
    const denied = authorizer([
      acl({ operation: Operation.all }),
      acl({ operation: Operation.read, permissionType: Permission.deny }),
    ]);
    expect(may(denied, Operation.read, 'orders')).toBe(false);
    expect(may(denied, Operation.describe, 'orders')).toBe(true);
  });

  it('lets a rule that denies beat those that allow, whatever their patterns', () => {
    const allow = acl({ operation: Operation.all });
    const deny = { operation: Operation.all, permissionType: Permission.deny };
    for (const rule of [
      acl(deny),
      acl({ ...deny, resourceName: '*' }),
      acl({ ...deny, resourceName: 'or', patternType: Pattern.prefixed }),
      acl({ ...deny, principal: 'User:*' }),
      acl({ ...deny, host: '10.0.0.1' }),
    ]) {
      expect(may(authorizer([allow, rule]), Operation.read, 'orders')).toBe(false);
    }
    for (const rule of [acl({ ...deny, host: '10.0.0.2' }), acl({ ...deny, principal: 'User:bob' })]) {
      expect(may(authorizer([allow, rule]), Operation.read, 'orders')).toBe(true);
    }
  });

  it('lets everybody in without a rule where it is told to, but not past rules for others', () => {
    const made = authorizer([acl({ principal: 'User:bob' })], { allowWithoutAcl: true });
    expect(may(made, Operation.read, 'free')).toBe(true);
    expect(may(made, Operation.read, 'orders')).toBe(false);
  });

  it('INV-10: keeps what it remembers of two clients apart, whatever characters are in their names', () => {
    const odd: Requester = { principal: 'User:alice\n10.0.0.1\n3 2 x', host: '10.0.0.9' };
    const made = authorizer([acl({ principal: odd.principal, resourceName: 'y' })]);
    expect(may(made, Operation.read, 'y', odd)).toBe(true);
    expect(may(made, Operation.read, `x\n${odd.host}\n3 2 y`)).toBe(false);
  });

  it('INV-5: logs no more of a name than anybody wants to read', () => {
    const lines: string[] = [];
    const hub = new LogHub({ level: 'info', destination: { write: (line: string) => lines.push(line) } });
    const made = new Authorizer({
      superUsers: new Set(),
      allowWithoutAcl: false,
      logger: hub.logger('test'),
    });
    const action = { operation: Operation.read, resourceType: Resource.group };
    for (const end of ['a', 'b'])
      made.noteRefusal(alice, { ...action, resourceName: 'x'.repeat(30_000) + end });
    expect(lines.map((line) => line.length < 2000)).toEqual([true]);
  });

  it('knows whether there is any resource somebody may write to (KIP-679)', () => {
    const write = { operation: Operation.write };
    const deny = { ...write, permissionType: Permission.deny };
    const any = (...rules: Partial<Acl>[]): boolean =>
      authorizer(rules.map(acl)).allowsAny(alice, Operation.write, Resource.topic);
    expect(any()).toBe(false);
    expect(any(write)).toBe(true);
    expect(any({ ...write, principal: 'User:bob' })).toBe(false);
    expect(any(write, deny)).toBe(false);
    expect(any(write, { ...deny, resourceName: '*' })).toBe(false);
    expect(any({ ...write, resourceName: '*' }, deny)).toBe(true);
    expect(any(write, { ...deny, resourceName: 'ord', patternType: Pattern.prefixed })).toBe(false);
    const prefix = { ...write, resourceName: 'orders-', patternType: Pattern.prefixed };
    expect(any(prefix, { ...deny, resourceName: 'ord', patternType: Pattern.prefixed })).toBe(false);
    expect(any(prefix, { ...deny, resourceName: 'orders-x', patternType: Pattern.prefixed })).toBe(true);
  });

  it('has a rule for every API that is served: nothing is open because it was forgotten', () => {
    const forgotten = [...new ApiRegistry().keys()].filter((key) => !RULES.has(key));
    expect(forgotten).toEqual([]);
  });
});
