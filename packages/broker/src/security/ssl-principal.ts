// Who a client certificate says its owner is: its subject in the order of RFC 2253, shaped by
// `ssl.principal.mapping.rules`: `RULE:pattern/replacement/[LU]`, `DEFAULT`, the first that fits.
import type { TLSSocket } from 'node:tls';
import { javaRegexWhole, javaReplacement, MillraceError } from '@millrace/foundation';
import { ANONYMOUS } from './acl.ts';

/** Shapes a distinguished name; undefined when a rule does not fit it. */
type Mapping = (name: string) => string | undefined;

/** Names the owner of the certificate on a connection; anonymous without one that was verified. */
export type PrincipalOf = (socket: TLSSocket) => string;

const RULE = /^\s*(?:(DEFAULT)|RULE:((?:\\.|[^\\/])*)\/((?:\\.|[^\\/])*)\/([LU]?))\s*(?:,|$)/;

/** @throws config.invalid */
export function sslPrincipals(rules: string): PrincipalOf {
  const mappings = parseRules(rules);
  return (socket) => {
    const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
    if (!certificate) return ANONYMOUS;
    const name = distinguishedName(certificate.subject);
    for (const mapping of mappings) {
      const mapped = mapping(name);
      if (mapped !== undefined) return `User:${mapped}`;
    }
    return ANONYMOUS;
  };
}

/**
 * OpenSSL prints one part a line, in the order of the certificate; RFC 2253 has the last one first, and no spaces around
 * the plus within one. A plus or comma in a value has a backslash before it.
 */
export function distinguishedName(subject: string): string {
  return subject
    .split('\n')
    .filter((line) => line !== '')
    .reverse()
    .map((part) => part.replaceAll(' + ', '+'))
    .join(',');
}

function parseRules(text: string): Mapping[] {
  const mappings: Mapping[] = [];
  let rest = text.trim();
  while (rest !== '') {
    const match = RULE.exec(rest);
    if (!match) throw invalid(text);
    const [whole, isDefault, pattern = '', replacement = '', letters = ''] = match;
    mappings.push(isDefault === undefined ? ruleOf(text, pattern, replacement, letters) : (name) => name);
    rest = rest.slice(whole.length).trim();
  }
  return mappings.length > 0 ? mappings : [(name) => name];
}

function ruleOf(text: string, pattern: string, replacement: string, letters: string): Mapping {
  let regex: RegExp;
  try {
    regex = javaRegexWhole(pattern.replaceAll('\\/', '/'));
  } catch {
    throw invalid(text);
  }
  const template = replacement.replaceAll('\\/', '/');
  return (name) => {
    const match = regex.exec(name);
    if (!match) return undefined;
    const mapped = javaReplacement(match, template);
    if (letters === 'L') return mapped.toLowerCase();
    return letters === 'U' ? mapped.toUpperCase() : mapped;
  };
}

function invalid(text: string): MillraceError {
  return new MillraceError(
    'config.invalid',
    `Invalid value ${text} for configuration ssl.principal.mapping.rules: expected rules of the form RULE:pattern/replacement/[LU] or DEFAULT, separated by commas`,
    {
      configKey: 'ssl.principal.mapping.rules',
      javaClass: 'org.apache.kafka.common.config.ConfigException',
    },
  );
}
