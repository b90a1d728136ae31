/** What the command `millrace start` runs, for programs that want broker, worker and REST in themselves. */
export { RunningParts } from './running.ts';
export { type StartedAddresses, type StartFlags, startMillrace } from './start.ts';
