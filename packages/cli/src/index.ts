/** Change data capture in one light process: the parts of the command `millrace` that programs may use. */
export { RunningParts } from './running.ts';
export { type StartedAddresses, type StartFlags, startMillrace } from './start.ts';
