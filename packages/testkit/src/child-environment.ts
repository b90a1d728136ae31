// The environment of programs under test.

/** That of the test, without what steers tests: `MILLRACE_*` variables are settings to the programs. */
export function childEnvironment(more: Readonly<Record<string, string | undefined>> = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('MILLRACE_TEST_'));
  return { ...Object.fromEntries(inherited), NODE_OPTIONS: '', ...more };
}
