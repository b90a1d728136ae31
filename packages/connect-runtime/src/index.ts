/** The Connect-compatible worker: startWorker and what its composition root needs. */
export { defaultProviders, resolveVariables } from './config/providers.ts';
export {
  configFromEnvironment,
  parseWorkerConfig,
  restAddress,
  type WorkerConfig,
} from './config/worker-config.ts';
export { startWorker, type WorkerHandle, type WorkerOptions } from './worker.ts';
