// Reads `sasl.jaas.config`: one login module with its options, in the notation of Java's login configuration files:
//   org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="secret";
// and such files themselves, which have entries with a name and login modules in braces:
//   KafkaConnect { CLASS required file="/path"; };
// What is wrong with a text is told without repeating any of it, since it holds passwords (INV-11).

/** A login module and its options. */
export interface JaasEntry {
  readonly loginModule: string;
  readonly options: ReadonlyMap<string, string>;
}

/** A text is no login configuration. The message is safe to show. */
export class JaasError extends Error {}

const CONTROL_FLAGS = new Set(['required', 'requisite', 'sufficient', 'optional']);
const SPACE_OR_COMMENT = /(?:\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)+/y;
const WORD = /[^\s=;"']+/y;
const WORD_IN_FILE = /[^\s=;"'{}]+/y;
const QUOTED = /(["'])((?:\\[^\n]|(?!\1)[^\\\n])*)\1/y;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' };

/** Parses a text with exactly one login module. @throws JaasError */
export function parseJaas(text: string): JaasEntry {
  const tokens = new Tokens(text);
  const entry = readModule(tokens);
  if (!tokens.atEnd) throw new JaasError('only one login module may be given');
  return entry;
}

/** Parses a login configuration file: login modules by the name of their entry. @throws JaasError */
export function parseJaasFile(text: string): ReadonlyMap<string, readonly JaasEntry[]> {
  const tokens = new Tokens(text, WORD_IN_FILE);
  const entries = new Map<string, JaasEntry[]>();
  while (!tokens.atEnd) {
    const name = tokens.value('the name of an entry');
    if (!tokens.take('{')) throw new JaasError(`entry number ${entries.size + 1} lacks its {`);
    const modules: JaasEntry[] = [];
    while (!tokens.take('}')) modules.push(readModule(tokens));
    if (!tokens.take(';')) throw new JaasError(`entry number ${entries.size + 1} lacks the ; after its }`);
    entries.set(name, modules);
  }
  return entries;
}

function readModule(tokens: Tokens): JaasEntry {
  const loginModule = tokens.value('the class of a login module');
  const flag = tokens.value('required, requisite, sufficient or optional');
  if (!CONTROL_FLAGS.has(flag.toLowerCase())) {
    throw new JaasError('after the login module the word required is expected');
  }
  const options = new Map<string, string>();
  while (!tokens.take(';')) {
    const name = tokens.value('an option, or a semicolon at the end');
    if (!tokens.take('=')) throw new JaasError(`option number ${options.size + 1} lacks its = and value`);
    options.set(name, tokens.value('a value after ='));
  }
  return { loginModule, options };
}

class Tokens {
  readonly #text: string;
  readonly #word: RegExp;
  #at = 0;

  constructor(text: string, word: RegExp = WORD) {
    this.#text = text;
    this.#word = word;
  }

  get atEnd(): boolean {
    this.#skip();
    return this.#at >= this.#text.length;
  }

  /** Takes a mark if it comes next. */
  take(mark: string): boolean {
    this.#skip();
    if (this.#text[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  /** A word, or a string in quotes. */
  value(expected: string): string {
    this.#skip();
    const quoted = this.#match(QUOTED);
    if (quoted) {
      return (quoted[2] ?? '').replace(/\\([\s\S])/g, (_, char: string) => ESCAPES[char] ?? char);
    }
    const word = this.#match(this.#word);
    if (!word) throw new JaasError(`${expected} is expected at character ${this.#at + 1}`);
    return word[0];
  }

  #skip(): void {
    this.#match(SPACE_OR_COMMENT);
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found) this.#at += found[0].length;
    return found;
  }
}
