// The command `millrace`: registers what each command's module brings, nothing else.
import { Command, type CommanderError } from 'commander';
import { registerBroker } from './broker-command.ts';
import { clientCommands, reportFailure, watchOutput } from './client/index.ts';
import { registerDemo } from './demo.ts';
import { registerStart } from './start.ts';
import { packageVersion, registerVersion } from './version.ts';

/** Every command module; to add a command is to add its `register`. */
const commands: readonly ((program: Command) => void)[] = [
  registerStart,
  registerBroker,
  registerDemo,
  registerVersion,
  ...clientCommands,
];

watchOutput();
const program = new Command('millrace')
  .description('Change data capture in one process')
  .version(packageVersion(), '-V, --version')
  .showHelpAfterError()
  .exitOverride((error: CommanderError) => {
    // Wrong use of a command is exit code 2, like a wrong config.
    process.exit(error.exitCode === 0 ? 0 : 2);
  });
for (const register of commands) register(program);
try {
  await program.parseAsync();
} catch (error) {
  reportFailure(error);
}
