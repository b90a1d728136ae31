import { API } from '@millrace/kafka-protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { ScramCredentials } from './scram-credentials.ts';
import { Session } from './session.ts';

const HANDSHAKE = API.SaslHandshake;
let nowMs: number;
let failures: string[];
beforeEach(() => {
  nowMs = 1000;
  failures = [];
});

function session(maxReauthMs = 0): Session {
  return new Session({
    principal: 'User:ANONYMOUS',
    nowMs: () => nowMs,
    onFailure: (reason) => failures.push(reason),
    sasl: {
      mechanisms: ['PLAIN'],
      plainUsers: new Map([
        ['alice', 'alice-secret'],
        ['bob', 'bob-secret'],
      ]),
      scram: new ScramCredentials(),
      maxReauthMs,
      maxReceiveBytes: 1000,
      failureDelayMs: 0,
    },
  });
}

function login(made: Session, user: string, password: string): number {
  made.handshake('PLAIN', 1);
  return made.authenticate(Buffer.from(`\0${user}\0${password}`)).errorCode;
}

describe('a session', () => {
  it('takes everything from the start where no login is wanted, and says so to who tries one', () => {
    const made = new Session({
      principal: 'User:CN=a',
      sasl: undefined,
      nowMs: () => 0,
      onFailure: () => undefined,
    });
    expect([made.isKnown, made.principal, made.admits(API.Produce)]).toEqual([true, 'User:CN=a', true]);
    expect(made.handshake('PLAIN', 1)).toEqual({ errorCode: 34, mechanisms: [] });
    expect(made.authenticate(Buffer.alloc(0)).errorCode).toBe(34);
  });

  it('takes only what leads to a login before it, and small frames', () => {
    const made = session();
    const admitted = Object.values(API).filter((key) => made.admits(key));
    expect(admitted).toEqual([API.SaslHandshake, API.ApiVersions]);
    expect(made.maxFrameBytes(1_000_000)).toBe(1000);
    made.handshake('PLAIN', 1);
    expect(Object.values(API).filter((key) => made.admits(key))).toEqual([API.SaslAuthenticate]);
    expect(made.authenticate(Buffer.from('\0alice\0alice-secret')).errorCode).toBe(0);
    expect([made.principal, made.admits(API.Produce), made.maxFrameBytes(1_000_000)]).toEqual([
      'User:alice',
      true,
      1_000_000,
    ]);
  });

  it('is over after a login that failed', () => {
    for (const token of [
      '\0alice\0wrong',
      '\0nobody\0x',
      '\0alice\0',
      '\0\0x',
      'alice',
      '\0a\0b\0c',
      'bob\0alice\0alice-secret',
    ]) {
      const made = session();
      made.handshake('PLAIN', 1);
      expect(made.authenticate(Buffer.from(token)).errorCode, token).toBe(58);
      expect([made.isOver, made.isKnown, made.admits(API.ApiVersions)]).toEqual([true, false, false]);
    }
    expect(failures.join()).not.toMatch(/wrong|secret/);
  });

  it('lets a login grow old, and takes a new one of the same user only', () => {
    const made = session(5000);
    expect(login(made, 'alice', 'alice-secret')).toBe(0);
    nowMs += 4000;
    expect(login(made, 'alice', 'alice-secret')).toBe(0);
    nowMs += 4000;
    expect(made.admits(API.Fetch)).toBe(true);
    nowMs += 1001;
    expect([made.admits(API.Fetch), made.admits(HANDSHAKE)]).toEqual([false, true]);
    expect(login(made, 'bob', 'bob-secret')).toBe(58);
    expect([made.isOver, made.principal]).toEqual([true, 'User:alice']);
  });

  it('does not renew a login that does not end', () => {
    const made = session();
    login(made, 'alice', 'alice-secret');
    expect(made.handshake('PLAIN', 1)).toEqual({ errorCode: 34, mechanisms: [] });
    expect(made.admits(API.Fetch)).toBe(true);
  });
});
