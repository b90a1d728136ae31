/** The worker's settings, for who reads them before it loads the worker. */
export { defaultProviders, resolveVariables } from './providers.ts';
export { type RestListener, restConfig, urlHost } from './rest-config.ts';
export { configFromEnvironment, parseWorkerConfig, type WorkerConfig } from './worker-config.ts';
