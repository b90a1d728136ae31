// The transformations of a task, each with the predicate that decides which records it sees.
import type { ConnectRecord, Predicate, Transformation } from '@millrace/connect-api';
import type { RawConfig } from '@millrace/foundation';
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

/** Makes the chain of a config with `transforms` and `predicates`. */
export async function createChain(config: RawConfig, plugins: PluginRegistry): Promise<TransformationChain> {
  const predicates = new Map<string, Predicate>();
  for (const alias of aliasesOf(config['predicates'])) {
    predicates.set(alias, await createPredicate(config, alias, plugins));
  }
  const steps: ChainStep[] = [];
  for (const alias of aliasesOf(config['transforms'])) {
    const settings = withPrefix(config, `transforms.${alias}.`);
    const plugin = await plugins.get(settings['type'] ?? '', 'transformation');
    const transformation = plugin.create();
    transformation.configure(ownSettings(settings, plugin.configDef.keys.has('predicate')));
    const name = settings['predicate'];
    const predicate = name === undefined ? null : predicates.get(name);
    if (predicate === undefined) {
      throw connectError(
        'connect.data',
        `Transformation '${alias}' names a predicate '${name}' there is not`,
        {
          configKey: `transforms.${alias}.predicate`,
          javaClass: JAVA.config,
        },
      );
    }
    const negate = settings['negate']?.trim().toLowerCase() === 'true';
    steps.push({ alias, className: plugin.className, transformation, predicate, negate });
  }
  return new TransformationChain(steps);
}

async function createPredicate(
  config: RawConfig,
  alias: string,
  plugins: PluginRegistry,
): Promise<Predicate> {
  const settings = withPrefix(config, `predicates.${alias}.`);
  const plugin = await plugins.get(settings['type'] ?? '', 'predicate');
  const predicate = plugin.create();
  predicate.configure(ownSettings(settings, false));
  return predicate;
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
