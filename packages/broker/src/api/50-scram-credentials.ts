// 50 DescribeUserScramCredentials, 51 AlterUserScramCredentials (KIP-554). The client salts the password; what comes
// and what is kept proves who knows it, and is shown to nobody.
import {
  API,
  KafkaErrors,
  SCRAM_MAX_ITERATIONS,
  SCRAM_MECHANISMS,
  SCRAM_MIN_ITERATIONS,
  type ScramMechanism,
  scramCredential,
} from '@millrace/kafka-protocol';
import type { BrokerState, ErrorAnswer } from '../broker-state.ts';
import type { ScramChange } from '../security/scram-credentials.ts';
import { storageFailure } from './answers.ts';
import { defineApi, type RegisteredApi } from './definition.ts';

interface Deletion {
  readonly name: string;
  readonly mechanism: number;
}
interface Upsertion extends Deletion {
  readonly iterations: number;
  readonly salt: Buffer;
  readonly saltedPassword: Buffer;
}
interface AlterRequest {
  readonly deletions: readonly Deletion[];
  readonly upsertions: readonly Upsertion[];
}

export const describeUserScramCredentials: RegisteredApi = defineApi<number>({
  key: API.DescribeUserScramCredentials,
  versions: [0, 0],
  handle: (body, { broker }) => {
    const { users } = body as unknown as { users: readonly { name: string }[] | null };
    const counts = new Map<string, number>();
    for (const { name } of users ?? []) counts.set(name, (counts.get(name) ?? 0) + 1);
    const names = counts.size > 0 ? [...counts.keys()] : broker.scram.users();
    const results = names.map((user) => {
      const isRepeated = (counts.get(user) ?? 0) > 1;
      const credentialInfos = [...(broker.scram.stored(user) ?? [])].map(([mechanism, { iterations }]) => ({
        mechanism: SCRAM_MECHANISMS[mechanism].code,
        iterations,
      }));
      const error = isRepeated
        ? { code: KafkaErrors.DUPLICATE_RESOURCE.code, message: `Cannot describe user ${user} twice.` }
        : credentialInfos.length === 0
          ? {
              code: KafkaErrors.RESOURCE_NOT_FOUND.code,
              message: `Attempt to describe a user credential that does not exist: ${user}`,
            }
          : undefined;
      return error
        ? { user, errorCode: error.code, errorMessage: error.message, credentialInfos: [] }
        : { user, errorCode: 0, errorMessage: '', credentialInfos };
    });
    return { errorCode: 0, errorMessage: '', results };
  },
});

export const alterUserScramCredentials: RegisteredApi = defineApi<number>({
  key: API.AlterUserScramCredentials,
  versions: [0, 0],
  handle: async (body, { broker }) => {
    const request = body as unknown as AlterRequest;
    const all = [...request.deletions, ...request.upsertions];
    const problems = new Map<string, ErrorAnswer | undefined>();
    const seen = new Set<string>();
    for (const alteration of all) {
      const key = `${alteration.mechanism} ${alteration.name}`;
      const problem = seen.has(key)
        ? { code: KafkaErrors.DUPLICATE_RESOURCE.code, message: 'A user credential cannot be altered twice.' }
        : problemOf(alteration, broker);
      seen.add(key);
      problems.set(alteration.name, problems.get(alteration.name) ?? problem);
    }
    const changes = all
      .filter(({ name }) => problems.get(name) === undefined)
      .map((alteration) => changeOf(alteration));
    try {
      await broker.scram.change(broker.metadata, changes);
      await broker.topics.compactMetadata();
    } catch (error) {
      const { errorCode: code, message } = storageFailure(broker, error);
      for (const { user } of changes) problems.set(user, { code, message });
    }
    return {
      results: [...problems].map(([user, problem]) => ({
        user,
        errorCode: problem?.code ?? 0,
        errorMessage: problem?.message ?? null,
      })),
    };
  },
});

function problemOf(alteration: Deletion | Upsertion, broker: BrokerState): ErrorAnswer | undefined {
  const { name } = alteration;
  const refuse = (message: string): ErrorAnswer => ({
    code: KafkaErrors.UNACCEPTABLE_CREDENTIAL.code,
    message,
  });
  const mechanism = mechanismOf(alteration.mechanism);
  if (name === '') return refuse('Username must not be empty');
  if (!mechanism) {
    return { code: KafkaErrors.UNSUPPORTED_SASL_MECHANISM.code, message: 'Unknown SCRAM mechanism' };
  }
  if (!('iterations' in alteration)) {
    const isKnown = broker.scram.stored(name)?.has(mechanism) ?? false;
    const message = 'Attempt to delete a user credential that does not exist';
    return isKnown ? undefined : { code: KafkaErrors.RESOURCE_NOT_FOUND.code, message };
  }
  if (alteration.iterations < SCRAM_MIN_ITERATIONS) return refuse('Too few iterations');
  if (alteration.iterations > SCRAM_MAX_ITERATIONS) return refuse('Too many iterations');
  if (alteration.salt.length === 0) return refuse('Salt must not be empty');
  const isWhole = alteration.saltedPassword.length === SCRAM_MECHANISMS[mechanism].hashBytes;
  return isWhole ? undefined : refuse('Salted password has the wrong length');
}

function changeOf(alteration: Deletion | Upsertion): ScramChange {
  const mechanism = mechanismOf(alteration.mechanism) ?? 'SCRAM-SHA-256';
  const user = alteration.name;
  if (!('iterations' in alteration)) return { user, mechanism, credential: undefined };
  const { saltedPassword, salt, iterations } = alteration;
  // The salt outlives the request; a slice would keep its whole frame alive.
  const credential = scramCredential(mechanism, saltedPassword, Buffer.from(salt), iterations);
  return { user, mechanism, credential };
}

function mechanismOf(code: number): ScramMechanism | undefined {
  const found = Object.entries(SCRAM_MECHANISMS).find(([, mechanism]) => mechanism.code === code);
  return found?.[0] as ScramMechanism | undefined;
}
