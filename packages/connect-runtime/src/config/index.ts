/** The worker's settings, for who reads them before it loads the worker. */
export { defaultProviders, resolveVariables } from './providers.ts';
export { configFromEnvironment, parseWorkerConfig, restAddress, type WorkerConfig } from './worker-config.ts';
