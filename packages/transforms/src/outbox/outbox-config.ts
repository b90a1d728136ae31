// The settings of the outbox routers. MongoDB's has the same ones under names that begin with `collection.`.
import { ConfigDef, type ConfigKey, type ConfigValue, type Validator } from '@millrace/foundation';
import { validRegex } from '../config-keys.ts';

/** Where an additional column goes, under which name. */
export interface Placement {
  readonly field: string;
  readonly place: 'header' | 'envelope' | 'partition';
  readonly alias: string;
}

const PLACES: readonly string[] = ['header', 'envelope', 'partition'];

/** `column:place[:alias]` entries; undefined when one is not of that form. */
export function parsePlacements(entries: readonly string[]): Placement[] | undefined {
  const placements: Placement[] = [];
  for (const entry of entries) {
    const [field = '', place = '', alias, ...rest] = entry.split(':');
    const lower = place.toLowerCase();
    if (rest.length > 0 || field === '' || !PLACES.includes(lower)) return undefined;
    placements.push({ field, place: lower as Placement['place'], alias: alias ?? field });
  }
  return placements;
}

const validPlacements: Validator = (value) =>
  Array.isArray(value) && !parsePlacements(value)
    ? `A comma-separated list of valid String pairs or trios is expected but got: [${value.join(', ')}]`
    : undefined;

const oneOf =
  (...allowed: readonly string[]): Validator =>
  (value) =>
    allowed.includes(String(value).toLowerCase()) ? undefined : `Value must be one of ${allowed.join(', ')}`;

const validRoute: Validator = (value, name) => {
  const problem = validRegex(value, name);
  return problem === undefined
    ? undefined
    : `A valid regular expressions is expected, but ${String(problem).replace('Invalid regex: ', '')}`;
};

type Group = 'Table' | 'Collection' | 'Router' | 'Tracing';

/** The config of the router for tables or for collections. `prefix` is `table` or `collection`. */
export function outboxConfig(prefix: 'table' | 'collection'): ConfigDef {
  const group: Group = prefix === 'table' ? 'Table' : 'Collection';
  const orders: Record<Group, number> = { Table: 0, Collection: 0, Router: 0, Tracing: 0 };
  const key = (
    within: Group,
    name: string,
    fallback: ConfigValue,
    displayName: string,
    rest: Partial<ConfigKey> = {},
  ): ConfigKey => ({
    name,
    type: 'STRING',
    default: fallback,
    importance: 'LOW',
    width: 'MEDIUM',
    displayName,
    doc: `${displayName}.`,
    group: within,
    orderInGroup: ++orders[within],
    ...rest,
  });
  const high = { importance: 'HIGH' } as const;
  const medium = { importance: 'MEDIUM' } as const;
  const keys: ConfigKey[] = [
    key(group, `${prefix}.field.event.id`, prefix === 'table' ? 'id' : '_id', 'Event ID Field'),
    key(group, `${prefix}.field.event.key`, prefix === 'table' ? 'aggregateid' : null, 'Event Key Field'),
    key(group, `${prefix}.field.event.type`, 'type', 'Event Type Field'),
    key(group, `${prefix}.field.event.payload`, 'payload', 'Event Payload Field'),
    key(group, `${prefix}.field.event.timestamp`, null, 'Event Timestamp Field', medium),
    key(
      group,
      `${prefix}.fields.additional.placement`,
      null,
      'Settings for each additional column in the outbox table',
      { ...high, type: 'LIST', validator: validPlacements },
    ),
    key(
      group,
      `${prefix}.field.additional.missing`,
      'error',
      'Behavior when an additional field is missing in the change data',
      { ...medium, validator: oneOf('ignore', 'error') },
    ),
    key(group, `${prefix}.field.event.schema.version`, null, 'Event Schema Version Field'),
    key(group, 'table.op.invalid.behavior', 'warn', 'Behavior when capturing an unexpected outbox event', {
      ...medium,
      validator: oneOf('warn', 'error', 'fatal'),
    }),
    key(group, `${prefix}.expand.json.payload`, false, 'Expand Payload escaped string as real JSON', {
      ...medium,
      type: 'BOOLEAN',
    }),
  ];
  if (prefix === 'table') {
    keys.push(
      key(
        group,
        'table.json.payload.null.behavior',
        'ignore',
        'Behavior when json payload including null value',
        { ...medium, validator: oneOf('ignore', 'optional_bytes') },
      ),
    );
  }
  keys.push(
    key('Router', 'route.by.field', 'aggregatetype', 'Field to route events by', high),
    key('Router', 'route.topic.regex', '(?<routedByValue>.*)', 'The name of the routed topic', {
      validator: validRoute,
    }),
    key(
      'Router',
      'route.topic.replacement',
      'outbox.event.${routedByValue}',
      'The name of the routed topic',
      high,
    ),
    key('Router', 'route.tombstone.on.empty.payload', false, 'Empty payloads cause a tombstone message', {
      ...high,
      type: 'BOOLEAN',
    }),
    key(
      'Tracing',
      'tracing.span.context.field',
      'tracingspancontext',
      'Serialized tracing span context field',
      high,
    ),
    key('Tracing', 'tracing.operation.name', 'debezium-read', 'Tracing operation name', high),
    key('Tracing', 'tracing.with.context.field.only', false, 'Trace only events with context field present', {
      ...high,
      type: 'BOOLEAN',
    }),
  );
  return new ConfigDef(keys);
}
