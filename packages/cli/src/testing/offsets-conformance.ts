// What every place for offsets has to keep, as tests.
import { expect, test } from 'vitest';
import type { SourceOffsets } from '../library/offsets/source-offsets.ts';

const SHOP = '["shop",{"server":"shop"}]';
const LAYOUT = '["shop",{"server":"shop","millrace":"layouts of public.\\"a \'b\'\\""}]';

/** Registers the suite; each `open` of one subject sees the same place, as the next run of a program does. */
export function describeOffsets(name: string, place: () => () => SourceOffsets): void {
  const run = async <T>(offsets: SourceOffsets, use: (opened: SourceOffsets) => Promise<T>): Promise<T> => {
    try {
      return await use(offsets);
    } finally {
      await offsets.close?.();
    }
  };

  test(`${name}: there is nothing at first`, async () => {
    expect(await run(place()(), (offsets) => offsets.load())).toEqual(new Map());
  });

  test(`INV-1: ${name}: what was saved is there in the next run, the newest of each key, byte by byte`, async () => {
    const open = place();
    await run(open(), async (offsets) => {
      await offsets.load();
      await offsets.save(new Map([[SHOP, '{"lsn":24023128}']]));
      await offsets.save(new Map([[LAYOUT, '{"text":"ü\\u0000\\n😀"}']]));
      await offsets.save(new Map([[SHOP, '{"lsn":9223372036854775807}']]));
    });
    const expected = new Map([
      [SHOP, '{"lsn":9223372036854775807}'],
      [LAYOUT, '{"text":"ü\\u0000\\n😀"}'],
    ]);
    await run(open(), async (offsets) => {
      expect(await offsets.load()).toEqual(expected);
      await offsets.save(new Map([[SHOP, '{"lsn":1}']]));
    });
    expect(await run(open(), (offsets) => offsets.load())).toEqual(expected.set(SHOP, '{"lsn":1}'));
  });
}
