/** The Connect-compatible worker: startWorker and what its composition root needs. */
export { startWorker, type WorkerHandle, type WorkerOptions } from './worker.ts';
