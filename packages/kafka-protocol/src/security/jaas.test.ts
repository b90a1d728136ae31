import { expect, test } from 'vitest';
import { JaasError, parseJaas, parseJaasFile } from './jaas.ts';

test('A login configuration is read as Java reads it: quotes, escapes, comments, line breaks', () => {
  const entry = parseJaas(
    `org.apache.kafka.common.security.plain.PlainLoginModule required // the broker's users
    username="admin" password='it''s'
    user_admin="a \\"quoted\\" = ; secret" /* and */ serviceName=kafka;`.replace("'it''s'", `"it's"`),
  );
  expect(entry.loginModule).toBe('org.apache.kafka.common.security.plain.PlainLoginModule');
  expect(Object.fromEntries(entry.options)).toEqual({
    username: 'admin',
    password: "it's",
    user_admin: 'a "quoted" = ; secret',
    serviceName: 'kafka',
  });
});

test('INV-11: what is wrong with it is told without repeating any of it', () => {
  const wrong = [
    '',
    'Module',
    'Module hunter2;',
    'Module required password="hunter2"',
    'Module required password "hunter2";',
    'Module required password="hunter2;',
    'Module required a=hunter2; Other required;',
    'Module required password=;',
  ];
  for (const text of wrong) {
    let thrown: unknown;
    try {
      parseJaas(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown, text).toBeInstanceOf(JaasError);
    expect((thrown as Error).message).not.toContain('hunter2');
  }
});

test('A login configuration file is read entry by entry', () => {
  const file = parseJaasFile(`// users
    KafkaConnect{ a.B required file="/x {y}"; c.D optional; };
    Client { };`);
  expect([...file.keys()]).toEqual(['KafkaConnect', 'Client']);
  expect(file.get('KafkaConnect')?.map(({ loginModule }) => loginModule)).toEqual(['a.B', 'c.D']);
  expect(file.get('KafkaConnect')?.[0]?.options.get('file')).toBe('/x {y}');
  expect(parseJaasFile('')).toEqual(new Map());
});

test('INV-10: a file that is none is refused', () => {
  for (const text of [
    'KafkaConnect',
    'A { b.C required; }',
    'A b.C required;',
    'A { b.C required;',
    '} {',
    'A { ; };',
  ]) {
    expect(() => parseJaasFile(text)).toThrow(JaasError);
  }
});
