// What every converter has to keep, as tests: what it writes it reads back, equal values are equal bytes, bytes that
// are none of its own are refused, and it touches nothing but its own part of the buffer.
import type { Converter, ConverterPlugin, PluginEntry } from '@millrace/connect-api';
import { ByteWriter, type Schema, sameValue } from '@millrace/data';
import { MillraceError, type RawConfig } from '@millrace/foundation';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

export interface ConverterSubject {
  readonly plugin: PluginEntry;
  readonly config: RawConfig;
  /** Values by a title; they come back as `read` says, the value itself where it says nothing. */
  readonly values: Readonly<Record<string, ConvertedValue>>;
}

export interface ConvertedValue {
  readonly schema: Schema | null;
  readonly value: unknown;
  readonly read?: unknown;
}

const TOPIC = 'a.topic';

/** Registers the suite for one converter. */
export function describeConverter(subject: ConverterSubject): void {
  const { plugin: entry, config, values } = subject;
  describe(`${entry.className} as a converter`, () => {
    async function load(): Promise<ConverterPlugin> {
      const plugin = await entry.load();
      if (plugin.kind !== 'converter') throw new Error(`${entry.className} is a ${plugin.kind}`);
      return plugin;
    }
    async function configured(isKey = false): Promise<Converter> {
      const converter = (await load()).create();
      converter.configure(config, isKey);
      return converter;
    }
    async function bytesOf(converter: Converter, { schema, value }: ConvertedValue): Promise<Buffer | null> {
      await converter.prepareWrite?.(TOPIC, schema);
      const out = new ByteWriter(1);
      return converter.write(TOPIC, [], schema, value, out) ? out.copyFrom() : null;
    }

    test('The manifest names class and version, and says what each key is for', async () => {
      const plugin = await load();
      expect(plugin.className).toBe(entry.className);
      expect(plugin.version).not.toBe('');
      for (const key of plugin.configDef.keys.values()) expect(key.doc, key.name).not.toBe('');
    });

    test.each(Object.entries(values))('INV-4: %s comes back as it was', async (_title, given) => {
      const converter = await configured();
      const bytes = await bytesOf(converter, given);
      await (bytes === null ? undefined : converter.prepareRead?.(TOPIC, bytes));
      const { value } = converter.read(TOPIC, [], bytes);
      const expected = 'read' in given ? given.read : given.value;
      expect(sameValue(value, expected), `${String(value)} instead of ${String(expected)}`).toBe(true);
    });

    test('Equal values are equal bytes, from any instance, for keys and values', async () => {
      for (const given of Object.values(values)) {
        const [first, second] = [await configured(true), await configured(true)];
        const bytes = await bytesOf(first, given);
        expect(await bytesOf(first, given)).toEqual(bytes);
        expect(await bytesOf(second, given)).toEqual(bytes);
      }
    });

    test('It appends to what is in the buffer, and writes nothing for a null it has no bytes for', async () => {
      const converter = await configured();
      for (const given of Object.values(values)) {
        const alone = await bytesOf(converter, given);
        const out = new ByteWriter(1);
        out.bytes(Buffer.from('before'));
        const wrote = converter.write(TOPIC, [], given.schema, given.value, out);
        expect(out.copyFrom()).toEqual(Buffer.concat([Buffer.from('before'), alone ?? Buffer.alloc(0)]));
        expect(wrote).toBe(alone !== null);
      }
    });

    test('INV-10: any bytes give a value or a typed error', async () => {
      const converter = await configured();
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
          try {
            converter.read(TOPIC, [], Buffer.from(bytes));
          } catch (error) {
            expect(error).toBeInstanceOf(MillraceError);
          }
        }),
      );
    });
  });
}
