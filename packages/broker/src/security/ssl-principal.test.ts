import type { TLSSocket } from 'node:tls';
import { expect, test } from 'vitest';
import { distinguishedName, sslPrincipals } from './ssl-principal.ts';

function named(rules: string, subject: string, authorized = true): string {
  const socket = { authorized, getPeerX509Certificate: () => ({ subject }) };
  return sslPrincipals(rules)(socket as unknown as TLSSocket);
}
const SUBJECT = 'C=DE\nO=Millrace\nOU=Kitchen\\, second\nCN=Alice';

test('A name has its parts in the order of RFC 2253', () => {
  expect(distinguishedName(SUBJECT)).toBe('CN=Alice,OU=Kitchen\\, second,O=Millrace,C=DE');
});

test('A part of several attributes is written as Java writes it, and no value can pass for one', () => {
  expect(distinguishedName('O=Millrace\nOU=a + CN=b')).toBe('OU=a+CN=b,O=Millrace');
  expect(distinguishedName('O=Millrace\nCN=b \\+ OU=a')).toBe('CN=b \\+ OU=a,O=Millrace');
});

test('The first mapping rule that fits shapes the name', () => {
  expect(named('DEFAULT', SUBJECT)).toBe('User:CN=Alice,OU=Kitchen\\, second,O=Millrace,C=DE');
  const rules = 'RULE:^CN=(.*?),O=Other.*$/$1/, RULE:^CN=(.*?),OU=.*$/$1@kitchen/L, DEFAULT';
  expect(named(rules, SUBJECT)).toBe('User:alice@kitchen');
  expect(named('RULE:^CN=(.*?),.*$/$1/U', SUBJECT)).toBe('User:ALICE');
  expect(named('RULE:^UID=(.*)$/$1/', SUBJECT)).toBe('User:ANONYMOUS');
});

test('A certificate that was not verified names nobody', () => {
  expect(named('DEFAULT', SUBJECT, false)).toBe('User:ANONYMOUS');
});

test('Rules that cannot be read are refused by key', () => {
  for (const rules of ['RULE:a', 'RULE:(/x/', 'RULE:a/b/X', 'nonsense']) {
    expect(() => sslPrincipals(rules), rules).toThrow('ssl.principal.mapping.rules');
  }
});
