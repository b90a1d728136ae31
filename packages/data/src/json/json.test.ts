import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteWriter } from '../byte-writer.ts';
import { javaBigDecimal, javaDouble, javaFloat } from '../java-text.ts';
import { BigDecimal, bigintToBytes, bytesToBigint } from '../logical-types.ts';
import { writeDecimalBase64 } from './decimal.ts';
import { type Json, JsonFraction, JsonSyntaxError, parseJson } from './parse.ts';
import { writeEscaped, writeString } from './text.ts';

function written(write: (out: ByteWriter) => void): string {
  const out = new ByteWriter(1);
  write(out);
  return out.copyFrom().toString('utf8');
}

/** The platform's value of our parse. */
function plain(json: Json | undefined): unknown {
  if (json instanceof Map) return Object.fromEntries([...json].map(([key, value]) => [key, plain(value)]));
  if (Array.isArray(json)) return json.map(plain);
  if (typeof json === 'bigint') return Number(json);
  return json instanceof JsonFraction ? json.value : json;
}

describe('parseJson', () => {
  test('agrees with the platform on any document without long integers', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        expect(plain(parseJson(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  test('keeps long integers, fractions and the order of keys', () => {
    expect(parseJson('{"2":9007199254740993,"1":1.0}')).toEqual(
      new Map<string, Json>([
        ['2', 9007199254740993n],
        ['1', new JsonFraction('1.0')],
      ]),
    );
  });

  test('INV-10: any text gives a document or a JsonSyntaxError', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.jsonValue().map((value) => JSON.stringify(value).slice(0, -1)),
        ),
        (text) => {
          try {
            parseJson(text);
          } catch (error) {
            expect(error).toBeInstanceOf(JsonSyntaxError);
          }
        },
      ),
    );
  });

  test('INV-10: nesting has a limit', () => {
    expect(() => parseJson('['.repeat(100_000))).toThrow(JsonSyntaxError);
  });
});

describe('writing', () => {
  test('strings read back as they were, by both ways of writing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
        const bytes = Buffer.from(text);
        const fromText = written((out) => writeString(out, text));
        const fromBytes = written((out) => writeEscaped(out, bytes, 0, bytes.length));
        expect(JSON.parse(fromText)).toBe(text);
        expect(`"${fromBytes}`).toBe(fromText);
      }),
    );
  });

  test.each([
    ['a😀', '"a\\uD83D\\uDE00"'],
    ['\u{10ffff}\u{10000}', '"\\uDBFF\\uDFFF\\uD800\\uDC00"'],
    ['é漢\uffff', '"é漢\uffff"'],
    ['cut \ud83d', '"cut \\uD83D"'],
    ['\ude00\ud83d', '"\\uDE00\\uD83D"'],
    ['\u0000\u001f\n"', '"\\u0000\\u001F\\n\\""'],
  ])('surrogates are escaped as Jackson escapes them, alone too: %j', (text, json) => {
    expect(written((out) => writeString(out, text))).toBe(json);
  });

  test('INV-10: bytes that end within a character are written as they are', () => {
    const bytes = Buffer.from('aé😀').subarray(0, 6);
    const out = new ByteWriter(1);
    writeEscaped(out, bytes, 0, bytes.length);
    expect(out.copyFrom()).toEqual(Buffer.concat([bytes, Buffer.from('"')]));
  });

  test('integers have exact digits', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        expect(written((out) => out.integer(value))).toBe(String(value === 0 ? 0 : value));
      }),
    );
  });

  test('decimals in base64 are the bytes of the unscaled value, short and long', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
        fc.integer({ min: 0, max: 12 }),
        (unscaled, scale) => {
          const text = Buffer.from(new BigDecimal(unscaled, scale).toPlainString());
          const base64 = JSON.parse(
            written((out) => expect(writeDecimalBase64(out, text, 0, text.length, scale)).toBe(true)),
          ) as string;
          expect(bytesToBigint(Buffer.from(base64, 'base64'))).toBe(unscaled);
          expect(base64).toBe(bigintToBytes(unscaled).toString('base64'));
        },
      ),
    );
  });

  test('text that is no decimal of the scale is left to others', () => {
    for (const text of ['NaN', '', '-', '1.234', '1e5']) {
      const bytes = Buffer.from(text);
      expect(written((out) => expect(writeDecimalBase64(out, bytes, 0, bytes.length, 2)).toBe(false))).toBe(
        '',
      );
    }
  });
});

test('doubles and floats in the words of Java read back as they were', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(Number(javaDouble(value))).toBe(value);
      expect(javaDouble(value)).toMatch(/^-?\d+\.\d+(E-?\d+)?$/);
    }),
  );
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      expect(Math.fround(Number(javaFloat(value)))).toBe(value);
    }),
  );
});

test('BigDecimal texts', () => {
  expect([
    javaBigDecimal(12n, -3),
    javaBigDecimal(1n, 10),
    javaBigDecimal(-129n, 2),
    javaBigDecimal(0n, 0),
  ]).toEqual(['1.2E+4', '1E-10', '-1.29', '0']);
  expect([
    BigDecimal.parse('1.50')?.toString(),
    BigDecimal.parse('-0.05')?.unscaled,
    BigDecimal.parse('x'),
  ]).toEqual(['1.50', -5n, undefined]);
});
