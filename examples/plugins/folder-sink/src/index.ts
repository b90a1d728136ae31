/** Each record becomes a file in a folder. */
export { plugin } from './connector.ts';
