/** The Connect-compatible worker: startWorker and what its composition root needs. */
export { MBEANS, seriesName } from './metrics/mbeans.ts';
export type { StandaloneConnector } from './standalone.ts';
export { startWorker, type WorkerHandle, type WorkerOptions } from './worker.ts';
