/** Each file put into a folder becomes a record. */
export { plugin } from './connector.ts';
