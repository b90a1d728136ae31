/** Parts of the worker for programs that run a source connector in themselves, without broker and REST. */
export { defaultProviders, resolveVariables } from './config/providers.ts';
export { PluginRegistry } from './plugins.ts';
export { decodeOffsetRecord, offsetKey, offsetValue } from './stores/offset-records.ts';
export { createConverters, type TaskConverters } from './task/converters.ts';
export { SubmittedRecords } from './task/submitted-records.ts';
export { createChain, type TransformationChain } from './task/transformation-chain.ts';
