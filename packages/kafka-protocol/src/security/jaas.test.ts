import { expect, test } from 'vitest';
import { JaasError, parseJaas } from './jaas.ts';

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
