/** The Connect-compatible worker: startWorker and what its composition root needs. */
export {
  configFromEnvironment,
  parseWorkerConfig,
  restAddress,
  type WorkerConfig,
} from './config/worker-config.ts';
export { startWorker, type WorkerHandle, type WorkerOptions } from './worker.ts';
