/** Postgres source connector. */
export {};
