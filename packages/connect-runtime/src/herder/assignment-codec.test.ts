import { describe, expect, it } from 'vitest';
import { decodeAssignment, decodeMetadata, encodeAssignment, encodeMetadata } from './assignment-codec.ts';

const assignment = {
  error: 0,
  leader: 'm-1',
  leaderUrl: 'http://w:8083/',
  configOffset: 42,
  assigned: [
    { connector: 'a', task: -1 },
    { connector: 'a', task: 0 },
    { connector: 'ü', task: 3 },
  ],
  revoked: [{ connector: 'b', task: 1 }],
  delayMs: 500,
  whole: false,
};

describe('the group bytes of Connect', () => {
  it('have the layout of the sessioned protocol', () => {
    const bytes = encodeAssignment(
      { ...assignment, assigned: [{ connector: 'a', task: -1 }], revoked: [] },
      2,
    );
    expect(bytes.toString('hex')).toBe(
      '0002' +
        '0000' +
        '00036d2d31' +
        '000e687474703a2f2f773a383038332f' +
        '000000000000002a' +
        '00000001' +
        '000161' +
        '00000001' +
        'ffffffff' +
        '00000000' +
        '000001f4',
    );
  });

  it('have neither allocation nor revoked work nor a delay in the eager protocol', () => {
    expect(encodeMetadata({ url: 'http://w/', configOffset: 7, allocation: assignment.assigned }, 0)).toEqual(
      Buffer.from('00000009' + '687474703a2f2f772f' + '0000000000000007', 'hex'),
    );
    const bytes = encodeAssignment({ ...assignment, assigned: [{ connector: 'a', task: -1 }] }, 0);
    expect(bytes.toString('hex')).toBe(
      '0000' +
        '0000' +
        '00036d2d31' +
        '000e687474703a2f2f773a383038332f' +
        '000000000000002a' +
        '00000001' +
        '000161' +
        '00000001' +
        'ffffffff',
    );
    expect(decodeAssignment(bytes)).toEqual({
      ...assignment,
      assigned: [{ connector: 'a', task: -1 }],
      revoked: [],
      delayMs: 0,
    });
  });

  it('read back what was written', () => {
    for (const whole of [false, true]) {
      expect(decodeAssignment(encodeAssignment({ ...assignment, whole }, 2))).toEqual({
        ...assignment,
        whole,
      });
    }
    const metadata = { url: 'http://w/', configOffset: 7, allocation: assignment.assigned };
    expect(decodeMetadata(encodeMetadata(metadata, 1))).toEqual(metadata);
  });

  it('INV-10: refuse every cut and flipped form with a typed error or read it', () => {
    const whole = encodeAssignment(assignment, 2);
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeAssignment(whole.subarray(0, length))).toThrow(/Malformed group metadata/);
    }
    for (let at = 0; at < whole.length; at++) {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ 0xff;
      try {
        decodeAssignment(bytes);
      } catch (error) {
        expect((error as { code?: string }).code).toBe('connect.malformed_assignment');
      }
    }
  });
});
