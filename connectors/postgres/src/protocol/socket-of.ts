import type { Socket } from 'node:net';
import type pg from 'pg';
import { postgresError } from '../errors.ts';

/** The socket below a driver session: not a public name of the driver, so checked. */
export function socketOf(client: pg.Client): Socket {
  const { connection } = client as unknown as { connection?: { stream?: Socket } };
  const socket = connection?.stream;
  if (socket === undefined || typeof socket.on !== 'function') {
    throw postgresError('postgres.protocol', 'The driver does not give access to its connection');
  }
  return socket;
}
