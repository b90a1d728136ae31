// Bit masks of the operations a client may do, as brokers without an authorizer answer them: everything.

/** The client did not ask. */
export const NOT_ASKED: number = -2_147_483_648;
/** Read, write, create, delete, alter, describe, describe and alter configs. */
export const TOPIC_OPERATIONS = 3576;
/** Create, alter, describe, cluster action, describe and alter configs, idempotent write. */
export const CLUSTER_OPERATIONS = 8096;
/** Read, delete, describe, describe and alter configs. */
export const GROUP_OPERATIONS = 3400;
