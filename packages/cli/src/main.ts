// The command `millrace`: registers what each command's module brings, nothing else.
import { Command, type CommanderError } from 'commander';
import { reportFailure } from './client/failure.ts';
import { watchOutput } from './client/output.ts';
import { packageVersion, registerVersion } from './version.ts';

type Register = (program: Command) => void;

/** Commands that are modules of their own. To load everything takes longer than most commands do. */
const ownModules: Readonly<Record<string, () => Promise<Register>>> = {
  start: async () => (await import('./start.ts')).registerStart,
  standalone: async () => (await import('./standalone.ts')).registerStandalone,
  broker: async () => (await import('./broker-command.ts')).registerBroker,
  demo: async () => (await import('./demo.ts')).registerDemo,
  doctor: async () => (await import('./doctor.ts')).registerDoctor,
  version: () => Promise.resolve(registerVersion),
};

async function clientCommands(): Promise<readonly Register[]> {
  return (await import('./client/index.ts')).clientCommands;
}

function programOf(commands: readonly Register[]): Command {
  const program = new Command('millrace')
    .description('Change data capture in one process')
    .version(packageVersion(), '-V, --version')
    .showHelpAfterError()
    .exitOverride((error: CommanderError) => {
      // Wrong use of a command is exit code 2, like a wrong config.
      process.exit(error.exitCode === 0 ? 0 : 2);
    });
  for (const register of commands) register(program);
  return program;
}

/** The program with the command that is asked for, or with all of them to show what there is. */
async function load(asked: string): Promise<Command> {
  const own = ownModules[asked];
  if (own) return programOf([await own()]);
  const client = await clientCommands();
  const program = programOf(client);
  if (program.commands.some((command) => command.name() === asked)) return program;
  const others = await Promise.all(Object.values(ownModules).map((module) => module()));
  return programOf([...others, ...client]);
}

watchOutput();
try {
  const program = await load(process.argv[2] ?? '');
  await program.parseAsync();
} catch (error) {
  reportFailure(error);
}
