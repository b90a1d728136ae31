import { describe, expect, it } from 'vitest';
import { compareVersions, versionProblem } from './plugin-version.ts';

const CLASS = 'org.apache.kafka.connect.file.FileStreamSinkConnector';

describe('the version of a plug-in that a config asks for', () => {
  it.each(['4.3.1', '[4.3.1]', '[4.0,5.0)', '(,4.3.1]', '[1,2],[4,)', 'latest', '[4,)', ' 4.3.1 '])(
    '%j is there',
    (wanted) => {
      expect(versionProblem(wanted, CLASS, '4.3.1')).toBeUndefined();
    },
  );

  // Recorded from Kafka Connect 4.3.1.
  it.each([
    ['', '[,]'],
    ['zzz', '[zzz,zzz]'],
    ['a,b', '[a,b]'],
    ['-5', '[-5,-5]'],
    ['(4.3.1,5]', '(4.3.1,5]'],
  ])('%j is not', (wanted, range) => {
    expect(versionProblem(wanted, CLASS, '4.3.1')).toBe(
      `Plugin ${CLASS} not found that matches the version range ${range}, available versions: [4.3.1]`,
    );
  });

  it('is compared as Maven does', () => {
    const ascending = [
      '1.0-alpha',
      '1.0-beta2',
      '1.0-rc1',
      '1.0-SNAPSHOT',
      '1.0',
      '1.0-sp1',
      '1.0.1',
      '1.10',
      '2',
    ];
    for (const [i, older] of ascending.entries())
      for (const [j, newer] of ascending.entries())
        expect(Math.sign(compareVersions(older, newer)), `${older} and ${newer}`).toBe(Math.sign(i - j));
    expect(compareVersions('3.6.2.Final', '3.6.2')).toBe(0);
  });
});
