/** Starts Postgres and Redis locally for the demo and for tests. */
export {};
