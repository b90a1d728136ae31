// The authorizer that server.properties asks for, if it asks for one.
import { type Logger, MillraceError } from '@millrace/foundation';
import type { BrokerConfig } from '../metadata/broker-config.ts';
import { Authorizer } from './authorizer.ts';

/** Kafka's own, of the KRaft era and before: the rules are the same. */
const CLASSES: readonly string[] = [
  'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  'kafka.security.authorizer.AclAuthorizer',
];

/** @throws config.invalid for a class of somebody else, and for super users that are no principals */
export function makeAuthorizer(config: BrokerConfig, logger: Logger): Authorizer | undefined {
  const name = config.text('authorizer.class.name') ?? '';
  if (name === '') return undefined;
  if (!CLASSES.includes(name)) {
    throw invalid(
      'authorizer.class.name',
      `Class ${name} could not be found.`,
      `Use ${CLASSES[0]}, or leave the key out for a broker that lets everybody do everything.`,
    );
  }
  return new Authorizer({
    superUsers: superUsers(config.given('super.users') ?? ''),
    allowWithoutAcl: config.given('allow.everyone.if.no.acl.found')?.toLowerCase() === 'true',
    logger,
  });
}

function superUsers(text: string): ReadonlySet<string> {
  const names = text
    .split(';')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  for (const name of names) {
    if (/^[^:]+:.+$/.test(name)) continue;
    throw invalid(
      'super.users',
      `Invalid value ${text} for configuration super.users: ${name} is no principal.`,
      'Write principals with semicolons between them, such as User:admin;User:ANONYMOUS.',
    );
  }
  return new Set(names);
}

function invalid(configKey: string, message: string, hint: string): MillraceError {
  return new MillraceError('config.invalid', message, {
    configKey,
    hint,
    javaClass: 'org.apache.kafka.common.config.ConfigException',
  });
}
