import { expect, test } from 'vitest';
import { javaToString } from './java-values.ts';
import { BYTES, structSchema } from './schema.ts';
import { ArrayStruct } from './struct.ts';

test('bytes in a text are the buffer that Debezium makes of them, bit strings an array', () => {
  const bits = BYTES.with({ name: 'io.debezium.data.Bits' });
  const schema = structSchema([
    ['b', BYTES],
    ['e', BYTES],
    ['v', bits],
  ]);
  const text = javaToString(
    new ArrayStruct(schema, [Buffer.from('abc'), new Uint8Array(), Buffer.from([1])]),
    schema,
  );
  expect(text).toBe(
    'Struct{b=java.nio.HeapByteBuffer[pos=0 lim=3 cap=3],e=java.nio.HeapByteBuffer[pos=0 lim=0 cap=0],v=[B@01}',
  );
});
