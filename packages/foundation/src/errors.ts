// The one error class and the registry of its codes. Each package owns its codes in its own errors.ts and
// declares what a supervisor may do about each; a code without a policy does not compile.

/** What a supervisor does about an error: try again with backoff, wait for a person, or give up for good. */
export type ErrorPolicy = 'retry' | 'needs_operator' | 'fatal';

/** What a package declares about one of its codes. `remedy` is one sentence that says what to do. */
export interface ErrorCodeInfo {
  readonly policy: ErrorPolicy;
  readonly remedy: string;
}

/** Facts for the reader of an error: ids, positions, sizes. Never row values, never secrets. */
export type ErrorContext = Readonly<Record<string, string | number | bigint | boolean | null>>;

export interface MillraceErrorOptions {
  readonly cause?: unknown;
  /** The config key that is wrong, when one is. */
  readonly configKey?: string;
  /** What to do, when the code's general remedy can be made concrete. */
  readonly hint?: string;
  readonly context?: ErrorContext;
  /** The Java class whose name REST answers and traces show, such as `org.apache.kafka.connect.errors.DataException`. */
  readonly javaClass?: string;
}

/** Default Java class of an error that names none. */
export const CONNECT_EXCEPTION = 'org.apache.kafka.connect.errors.ConnectException';

/** Every error Millrace raises on purpose. `code` is `area.reason`, such as `postgres.slot_lost`. */
export class MillraceError extends Error {
  override readonly name = 'MillraceError';
  readonly code: string;
  readonly configKey: string | undefined;
  readonly hint: string | undefined;
  readonly context: ErrorContext;
  readonly javaClass: string;

  constructor(code: string, message: string, options: MillraceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.configKey = options.configKey;
    this.hint = options.hint;
    this.context = options.context ?? {};
    this.javaClass = options.javaClass ?? CONNECT_EXCEPTION;
  }
}

const registry = new Map<string, ErrorCodeInfo>();

/** Declares a package's codes; returns the table so that its keys type the package's `fail` helper. */
export function defineErrorCodes<C extends string>(
  table: Record<C, ErrorCodeInfo>,
): Readonly<Record<C, ErrorCodeInfo>> {
  for (const [code, info] of Object.entries<ErrorCodeInfo>(table)) registry.set(code, info);
  return table;
}

/** All declared codes, for docs and tests. */
export function allErrorCodes(): ReadonlyMap<string, ErrorCodeInfo> {
  return registry;
}

/** The policy of an error: of the innermost coded error in its chain of causes; `fatal` when none is coded. */
export function policyOf(error: unknown): ErrorPolicy {
  const coded = findCoded(error);
  return (coded && registry.get(coded.code)?.policy) ?? 'fatal';
}

/** What to do about an error: its own hint, else its code's remedy, else nothing. */
export function remedyOf(error: unknown): string | undefined {
  const coded = findCoded(error);
  return coded?.hint ?? (coded && registry.get(coded.code)?.remedy);
}

/** The innermost coded error in the chain of causes: wrapping never hides the more specific code. */
export function findCoded(error: unknown): MillraceError | undefined {
  let found: MillraceError | undefined;
  let current: unknown = error;
  for (let depth = 0; current instanceof Error && depth < 16; depth++) {
    if (current instanceof MillraceError) found = current;
    current = current.cause;
  }
  return found;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Anything thrown as an Error, so that it can be a cause or be logged under `err`. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/**
 * The text a Connect status shows as `trace`: the Java class and message of the error and of each cause, one
 * stack frame each so that tools that cut at `\tat` work, then our hint as the last line.
 */
export function javaTrace(error: unknown): string {
  const lines: string[] = [];
  let current: unknown = error;
  for (let depth = 0; current !== undefined && current !== null && depth < 16; depth++) {
    const javaClass = current instanceof MillraceError ? current.javaClass : 'java.lang.RuntimeException';
    lines.push(`${depth === 0 ? '' : 'Caused by: '}${javaClass}: ${messageOf(current)}`);
    const frame =
      current instanceof Error ? current.stack?.split('\n').find((l) => /^\s+at /.test(l)) : undefined;
    if (frame) lines.push(`\t${frame.trim()}`);
    current = current instanceof Error ? current.cause : undefined;
  }
  const remedy = remedyOf(error);
  if (remedy) lines.push(`What to do: ${remedy}`);
  return `${lines.join('\n')}\n`;
}
