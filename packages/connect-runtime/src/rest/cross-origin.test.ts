import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { CrossOrigin } from './cross-origin.ts';

function headersFor(
  allowOrigins: readonly string[],
  headers: Record<string, string>,
): Record<string, string> {
  const found: Record<string, string> = {};
  const answer = { setHeader: (name: string, value: string) => (found[name] = value) };
  const origin = new CrossOrigin({ allowOrigins, allowMethods: ['GET'], hasLogin: false });
  origin.apply(
    { method: 'OPTIONS', headers } as unknown as IncomingMessage,
    answer as unknown as ServerResponse,
  );
  return found;
}
const allows = (entry: string, origin: string): boolean =>
  'access-control-allow-origin' in headersFor([entry], { origin });

describe('origins that may call', () => {
  it('are names, everything, or expressions', () => {
    expect(allows('https://a.example', 'https://A.example')).toBe(true);
    expect(allows('*', 'null')).toBe(true);
    expect(allows('https://.*\\.a\\.example', 'https://x.a.example')).toBe(true);
    expect(allows('https://.*\\.a\\.example', 'https://x.a.example.evil')).toBe(false);
  });

  it('are not those that a dot would match', () => {
    expect(allows('https://a.example', 'https://aXexample')).toBe(false);
    expect(allows('https://a.example', 'https://a.example.evil')).toBe(false);
  });

  it('INV-10: are not longer than an origin can be', () => {
    expect(allows('*', 'x'.repeat(513))).toBe(false);
  });

  it('are told nothing where no origin is allowed', () => {
    expect(headersFor([], { origin: 'http://a', 'access-control-request-method': 'GET' })).toEqual({});
  });
});
