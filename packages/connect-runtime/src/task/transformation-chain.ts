// The transformations of a task, each with the predicate that decides which records it sees.
import type { ConnectRecord, Predicate, Transformation } from '@millrace/connect-api';
import { MillraceError, messageOf, type RawConfig } from '@millrace/foundation';
import { withPrefix } from '../config/client-overrides.ts';
import { connectError, JAVA } from '../errors.ts';
import type { PluginRegistry } from '../plugins.ts';

/** One transformation in place. */
export interface ChainStep {
  readonly alias: string;
  /** Java class, for the headers of dead letters. */
  readonly className: string;
  readonly transformation: Transformation;
  readonly predicate: Predicate | null;
  readonly negate: boolean;
}

/** Applies steps in order; null = dropped. */
export class TransformationChain {
  readonly steps: readonly ChainStep[];
  /** Class of the step that ran last: where an error came from. */
  lastClass = '';

  constructor(steps: readonly ChainStep[]) {
    this.steps = steps;
  }

  get empty(): boolean {
    return this.steps.length === 0;
  }

  apply<R extends ConnectRecord>(record: R): R | null {
    let current = record;
    for (const step of this.steps) {
      this.lastClass = step.className;
      if (step.predicate && step.predicate.test(current) === step.negate) continue;
      const next = step.transformation.apply(current);
      if (next === null) return null;
      current = next;
    }
    return current;
  }

  close(): void {
    for (const step of this.steps) step.transformation.close?.();
  }
}

/** Makes the chain of a config with `transforms` and `predicates`. @throws what is wrong, as the cause of an error as Connect wraps it */
export async function createChain(config: RawConfig, plugins: PluginRegistry): Promise<TransformationChain> {
  const steps: ChainStep[] = [];
  for (const alias of aliasesOf(config['transforms'])) {
    try {
      steps.push(await createStep(config, alias, plugins));
    } catch (error) {
      throw wrapped(error);
    }
  }
  return new TransformationChain(steps);
}

async function createStep(config: RawConfig, alias: string, plugins: PluginRegistry): Promise<ChainStep> {
  const settings = withPrefix(config, `transforms.${alias}.`);
  const plugin = await plugins.get(settings['type'] ?? '', 'transformation');
  const transformation = plugin.create();
  transformation.configure(ownSettings(settings, plugin.configDef.keys.has('predicate')));
  const name = settings['predicate'];
  const predicate = name === undefined ? null : await createPredicate(config, name, plugins);
  const negate = settings['negate']?.trim().toLowerCase() === 'true';
  return { alias, className: plugin.className, transformation, predicate, negate };
}

async function createPredicate(
  config: RawConfig,
  alias: string,
  plugins: PluginRegistry,
): Promise<Predicate> {
  if (!aliasesOf(config['predicates']).includes(alias)) {
    const message = `Unknown configuration 'predicates.${alias}.plugin.version'`;
    throw wrapped(
      connectError('connect.data', message, {
        configKey: `predicates.${alias}.type`,
        javaClass: JAVA.config,
        hint: `Name a predicate '${alias}' in predicates, with its type, or take it out of the transform.`,
      }),
    );
  }
  const settings = withPrefix(config, `predicates.${alias}.`);
  const plugin = await plugins.get(settings['type'] ?? '', 'predicate');
  const predicate = plugin.create();
  predicate.configure(ownSettings(settings, false));
  return predicate;
}

/** `new ConnectException(cause)`, whose message is the text of the cause. */
function wrapped(cause: unknown): Error {
  const message = messageOf(cause);
  return connectError(
    'connect.data',
    cause instanceof MillraceError ? `${cause.javaClass}: ${message}` : message,
    { cause },
  );
}

/** Without the keys that are the worker's: the class, its version, the predicate. */
export function ownSettings(settings: Readonly<Record<string, string>>, hasPredicateKey: boolean): RawConfig {
  const worker = new Set(['type', 'plugin.version', ...(hasPredicateKey ? [] : ['predicate', 'negate'])]);
  return Object.fromEntries(Object.entries(settings).filter(([key]) => !worker.has(key)));
}

function aliasesOf(list: string | null | undefined): string[] {
  return (list ?? '')
    .split(',')
    .map((alias) => alias.trim())
    .filter((alias) => alias !== '');
}
