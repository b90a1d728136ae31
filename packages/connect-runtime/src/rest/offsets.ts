// Offsets of connectors.

import { connectError } from '../errors.ts';
import type { Herder, OffsetChange } from '../herder/herder-api.ts';
import { jsonValue } from '../stores/offset-records.ts';
import { losslessBody, ok, type RestRequest, type Route } from './http.ts';

const PATH = '/connectors/:connector/offsets';

export function offsetRoutes(herder: Herder): Route[] {
  const byName = (request: RestRequest): string => request.params['connector'] ?? '';
  return [
    { method: 'GET', path: PATH, handle: async (request) => ok(await herder.offsets(byName(request))) },
    {
      method: 'PATCH',
      path: PATH,
      handle: async (request) => {
        const changes = offsetChanges(request);
        return ok({ message: await herder.alterOffsets(byName(request), changes) });
      },
    },
    {
      method: 'DELETE',
      path: PATH,
      handle: async (request) => ok({ message: await herder.resetOffsets(byName(request)) }),
    },
  ];
}

function offsetChanges(request: RestRequest): OffsetChange[] {
  const body = losslessBody(request);
  const list = body instanceof Map ? body.get('offsets') : undefined;
  if (!Array.isArray(list) || list.length === 0) {
    throw connectError(
      'connect.bad_request',
      'Partitions / offsets need to be provided for an alter offsets request',
    );
  }
  return list.map((entry) => {
    if (!(entry instanceof Map))
      throw connectError('connect.rest_internal', 'Each offset must be a JSON object');
    return {
      partition: objectOrNull(entry.get('partition') ?? null, 'partition'),
      offset: objectOrNull(entry.get('offset') ?? null, 'offset'),
    };
  });
}

function objectOrNull(
  value: Parameters<typeof jsonValue>[0],
  what: string,
): Readonly<Record<string, unknown>> | null {
  if (value === null) return null;
  if (!(value instanceof Map))
    throw connectError('connect.rest_internal', `${what} must be a JSON object or null`);
  return jsonValue(value) as Record<string, unknown>;
}
