import { expect, test } from 'vitest';
import {
  checkClientFinal,
  checkServerFinal,
  clientFinal,
  clientFirst,
  parseClientFirst,
  parseServerFirst,
  ScramError,
  saltPassword,
  scramCredential,
  serverFirst,
} from './scram.ts';

// The example exchange of RFC 7677, section 3.
const RFC = {
  clientFirst: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  clientFinal:
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};
const NONCE = 'rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';

test("Both sides say what RFC 7677's example says", async () => {
  const first = clientFirst('user', 'rOprNGfwEbeRWgbNEkqO');
  expect(`${first.header}${first.bare}`).toBe(RFC.clientFirst);
  const answer = parseServerFirst(Buffer.from(RFC.serverFirst), first);
  const salted = await saltPassword('SCRAM-SHA-256', 'pencil', answer.salt, answer.iterations);
  const final = clientFinal('SCRAM-SHA-256', salted, first, answer);
  expect(final.message).toBe(RFC.clientFinal);
  checkServerFinal(Buffer.from(RFC.serverFinal), final.serverSignature);

  const credential = scramCredential('SCRAM-SHA-256', salted, answer.salt, answer.iterations);
  const seen = parseClientFirst(Buffer.from(RFC.clientFirst));
  expect(serverFirst(NONCE, credential)).toBe(RFC.serverFirst);
  const exchange = { first: seen, serverFirst: RFC.serverFirst, nonce: NONCE };
  expect(checkClientFinal('SCRAM-SHA-256', credential, exchange, Buffer.from(RFC.clientFinal))).toBe(
    RFC.serverFinal,
  );
});

test('Names with commas and equal signs survive', () => {
  const first = clientFirst('a=b,c');
  expect(first.bare.startsWith('n=a=3Db=2Cc,')).toBe(true);
  expect(parseClientFirst(Buffer.from(`${first.header}${first.bare}`)).user).toBe('a=b,c');
});

test('INV-10: messages that are none are refused with a typed error, and no client works without end', async () => {
  for (const text of ['', 'n', 'p=tls,,n=a,r=b', 'n,,n=a', 'n,,n=a=2,r=x', 'n,,m=x,n=a,r=b', '\0\u{1f600}']) {
    expect(() => parseClientFirst(Buffer.from(text)), text).toThrow(ScramError);
  }
  const first = clientFirst('user', 'abc');
  for (const text of ['', 'r=abc,s=QQ==,i=1', 'r=xyzdef,s=QQ==,i=1', 'r=abcd,s=QQ==,i=-1', 'r=abcd,i=1']) {
    expect(() => parseServerFirst(Buffer.from(text), first), text).toThrow(ScramError);
  }
  expect(() => parseServerFirst(Buffer.from('r=abcd,s=QQ==,i=4095'), first)).toThrow('fewer than 4096');
  expect(() => saltPassword('SCRAM-SHA-256', 'x', Buffer.alloc(4), 2_000_000_000)).toThrow(ScramError);
  expect(() => checkServerFinal(Buffer.from('v=QQ=='), Buffer.alloc(32))).toThrow(ScramError);
  expect(() => checkServerFinal(Buffer.from('e=other-error'), Buffer.alloc(32))).toThrow('other-error');
});
