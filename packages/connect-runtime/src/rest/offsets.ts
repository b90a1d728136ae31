// Offsets of connectors.
import type { Json } from '@millrace/data';
import { connectError } from '../errors.ts';
import type { Herder, OffsetChange } from '../herder/herder-api.ts';
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
  if (!(body instanceof Map)) throw badBody('The body must be a JSON object with the field offsets');
  onlyFields(body, 'ConnectorOffsets', ['offsets'], 'one known property: "offsets"');
  const list = body.get('offsets') ?? [];
  if (!Array.isArray(list)) throw badBody('offsets must be an array');
  if (list.length === 0) {
    throw connectError(
      'connect.bad_request',
      'Partitions / offsets need to be provided for an alter offsets request',
    );
  }
  return list.map((entry) => {
    if (!(entry instanceof Map)) throw badBody('Each offset must be a JSON object');
    onlyFields(
      entry,
      'ConnectorOffset',
      ['partition', 'offset'],
      '2 known properties: "partition", "offset"',
    );
    return {
      partition: objectOrNull(entry.get('partition') ?? null, 'partition'),
      offset: objectOrNull(entry.get('offset') ?? null, 'offset'),
    };
  });
}

/** Connect answers 500 to bodies that do not have the right form. */
function badBody(message: string): Error {
  return connectError('connect.rest_internal', message);
}

function onlyFields(
  value: ReadonlyMap<string, unknown>,
  entity: string,
  known: readonly string[],
  shown: string,
): void {
  const unknown = [...value.keys()].find((field) => !known.includes(field));
  if (unknown !== undefined) {
    const className = `org.apache.kafka.connect.runtime.rest.entities.${entity}`;
    throw badBody(`Unrecognized field "${unknown}" (class ${className}), not marked as ignorable (${shown})`);
  }
}

function objectOrNull(value: Json, what: string): Readonly<Record<string, unknown>> | null {
  if (value === null) return null;
  if (!(value instanceof Map)) throw badBody(`${what} must be a JSON object or null`);
  for (const [field, item] of value) {
    if (item instanceof Map || Array.isArray(item)) {
      const kind = Array.isArray(item) ? 'ARRAY' : 'MAP';
      throw badBody(
        `Offsets may only contain primitive types as values, but field ${field} contains ${kind}`,
      );
    }
  }
  return Object.fromEntries(value);
}
