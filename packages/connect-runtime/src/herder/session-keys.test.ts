import { createHmac } from 'node:crypto';
import { silentLogger, systemClock } from '@millrace/foundation';
import { eventually } from '@millrace/testkit';
import { describe, expect, it } from 'vitest';
import { ConfigState } from '../stores/config-state.ts';
import type { ConfigStore } from '../stores/config-store.ts';
import { SessionKeys } from './session-keys.ts';

function makeKeys(ttlMs = 60_000): { readonly keys: SessionKeys; readonly state: ConfigState } {
  const state = new ConfigState();
  const configs: Pick<ConfigStore, 'state' | 'putSessionKey'> = {
    state,
    putSessionKey: async ({ key, algorithm, createdMs }) => {
      state.apply({ kind: 'session-key', key: key.toString('base64'), algorithm, createdMs });
    },
  };
  const keys = new SessionKeys({
    configs: configs as ConfigStore,
    clock: systemClock,
    logger: silentLogger,
    keyAlgorithm: 'HmacSHA256',
    keySize: null,
    keyTtlMs: ttlMs,
    signatureAlgorithm: 'HmacSHA256',
    verificationAlgorithms: ['HmacSHA256'],
  });
  return { keys, state };
}
const codeOf = (work: () => unknown): string | undefined => {
  try {
    work();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
};

describe('the signatures of workers', () => {
  it('are those of Connect: an HMAC of the body in base64', async () => {
    const { keys, state } = makeKeys();
    keys.lead();
    const { key } = await eventually('a key', () => state.sessionKey);
    keys.stop();
    expect(key.length).toBe(32);
    const body = '[{"file":"x"}]';
    expect(keys.sign(body)).toEqual({
      'x-connect-authorization': createHmac('sha256', key).update(body).digest('base64'),
      'x-connect-request-signature-algorithm': 'HmacSHA256',
    });
    keys.verify(body, keys.sign(body));
  });

  it('are refused when they are missing, foreign, of another body or before there is a key', async () => {
    const { keys, state } = makeKeys();
    const { keys: others } = makeKeys();
    const headers = {
      'x-connect-authorization': 'AAAA',
      'x-connect-request-signature-algorithm': 'HmacSHA256',
    };
    expect(codeOf(() => keys.sign('x'))).toBe('connect.rebalance');
    expect(codeOf(() => keys.verify('x', headers))).toBe('connect.starting');
    keys.lead();
    others.lead();
    await eventually('a key', () => state.sessionKey);
    keys.stop();
    others.stop();
    expect(codeOf(() => keys.verify('x', {}))).toBe('connect.bad_request');
    expect(codeOf(() => keys.verify('x', headers))).toBe('connect.forbidden');
    expect(codeOf(() => keys.verify('y', keys.sign('x')))).toBe('connect.forbidden');
    expect(codeOf(() => keys.verify('x', others.sign('x')))).toBe('connect.forbidden');
    const md5 = { ...keys.sign('x'), 'x-connect-request-signature-algorithm': 'HmacMD5' };
    expect(codeOf(() => keys.verify('x', md5))).toBe('connect.bad_request');
  });

  it('have a new key when the old one is too old', async () => {
    const { keys, state } = makeKeys(20);
    keys.lead();
    const first = await eventually('a key', () => state.sessionKey);
    await eventually('another key', () => state.sessionKey?.key.equals(first.key) === false);
    keys.stop();
  });
});
