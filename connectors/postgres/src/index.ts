/** Postgres source connector: `plugin` is all it offers. */
export { plugin } from './connector.ts';
