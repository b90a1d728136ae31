// Connectors and their tasks.
import type { ConnectorStatus } from '@millrace/connect-api';
import { connectError } from '../errors.ts';
import type { Herder } from '../herder/herder-api.ts';
import type { TargetState } from '../stores/config-records.ts';
import {
  configMap,
  isTrue,
  jsonBody,
  objectBody,
  ok,
  type RestAnswer,
  type RestRequest,
  type Route,
} from './http.ts';

const INITIAL_STATES: Readonly<Record<string, TargetState>> = {
  RUNNING: 'STARTED',
  PAUSED: 'PAUSED',
  STOPPED: 'STOPPED',
};
const CREATE_FIELDS = ['config', 'name', 'initial_state'];

export function connectorRoutes(herder: Herder): Route[] {
  const byName = (request: RestRequest): string => request.params['connector'] ?? '';
  const targetState =
    (state: TargetState, status: number) =>
    async (request: RestRequest): Promise<RestAnswer> => {
      await herder.setTargetState(byName(request), state);
      return { status };
    };
  return [
    { method: 'GET', path: '/connectors', handle: (request) => ok(listConnectors(herder, request)) },
    { method: 'POST', path: '/connectors', handle: (request) => createConnector(herder, request) },
    {
      method: 'GET',
      path: '/connectors/:connector',
      handle: (request) => ok(herder.connectorInfo(byName(request))),
    },
    {
      method: 'DELETE',
      path: '/connectors/:connector',
      handle: async (request) => {
        await herder.deleteConnector(byName(request));
        return { status: 204 };
      },
    },
    {
      method: 'GET',
      path: '/connectors/:connector/config',
      handle: (request) => ok(herder.connectorConfig(byName(request))),
    },
    {
      method: 'PUT',
      path: '/connectors/:connector/config',
      handle: async (request) => {
        const config = configMap(objectBody(request, 'The request has no connector config'), 'The config');
        return await putConfig(herder, request, byName(request).trim(), config);
      },
    },
    {
      method: 'PATCH',
      path: '/connectors/:connector/config',
      handle: async (request) => {
        const name = byName(request);
        // As in Connect, a connector that is not there is found before a body that is not, and after a bad one.
        if ((jsonBody(request) ?? null) === null) herder.connectorInfo(name);
        const patch = configMap(objectBody(request, 'The request has no config to merge'), 'The patch');
        return ok(await herder.patchConnector(name, patch));
      },
    },
    {
      method: 'GET',
      path: '/connectors/:connector/status',
      handle: (request) => ok(herder.connectorStatus(byName(request))),
    },
    {
      method: 'GET',
      path: '/connectors/:connector/tasks',
      handle: (request) => ok(herder.tasks(byName(request))),
    },
    {
      method: 'GET',
      path: '/connectors/:connector/tasks/:task/status',
      handle: (request) => ok(herder.taskStatus(byName(request), taskNumber(request))),
    },
    {
      method: 'POST',
      path: '/connectors/:connector/tasks/:task/restart',
      handle: async (request) => {
        await herder.restartTask(byName(request), taskNumber(request));
        return { status: 204 };
      },
    },
    { method: 'POST', path: '/connectors/:connector/restart', handle: (request) => restart(herder, request) },
    { method: 'PUT', path: '/connectors/:connector/pause', handle: targetState('PAUSED', 202) },
    { method: 'PUT', path: '/connectors/:connector/resume', handle: targetState('STARTED', 202) },
    { method: 'PUT', path: '/connectors/:connector/stop', handle: targetState('STOPPED', 204) },
    {
      method: 'POST',
      path: '/connectors/:connector/tasks',
      betweenWorkers: true,
      handle: (request) => putTasks(herder, request),
    },
    {
      method: 'PUT',
      path: '/connectors/:connector/fence',
      betweenWorkers: true,
      handle: (request) => fence(herder, request),
    },
    {
      method: 'GET',
      path: '/connectors/:connector/topics',
      handle: (request) => {
        const name = byName(request);
        return ok({ [name]: { topics: herder.activeTopics(name) } });
      },
    },
    {
      method: 'PUT',
      path: '/connectors/:connector/topics/reset',
      handle: (request) => {
        herder.resetActiveTopics(byName(request));
        return { status: 202 };
      },
    },
  ];
}

/** A call between workers: task configs of a connector that does not run on the leader. */
async function putTasks(herder: Herder, request: RestRequest): Promise<RestAnswer> {
  refuseStandalone(herder, 'externally setting task configurations');
  herder.verifyInternal(request.body ?? '', request.headers);
  const body = jsonBody(request);
  if (!Array.isArray(body))
    throw connectError('connect.rest_internal', 'The body must be a JSON list of task configs');
  await herder.putTaskConfigs(
    request.params['connector'] ?? '',
    body.map((config) => configMap(config, 'A task config')),
  );
  return { status: 204 };
}

/** A call between workers: one of them is about to start tasks of an exactly-once source. */
async function fence(herder: Herder, request: RestRequest): Promise<RestAnswer> {
  refuseStandalone(herder, 'exactly-once source connectors');
  herder.verifyInternal(request.body ?? '', request.headers);
  await herder.fenceTasks(request.params['connector'] ?? '');
  return { status: 204 };
}

function refuseStandalone(herder: Herder, what: string): void {
  if (!herder.isStandalone) return;
  throw connectError('connect.rest_internal', `Kafka Connect in standalone mode does not support ${what}.`);
}

/** A path segment that is no integer belongs to no route, as in Connect. */
function taskNumber(request: RestRequest): number {
  const text = request.params['task'] ?? '';
  if (!/^[+-]?\d{1,10}$/.test(text) || Math.abs(Number(text)) > 2147483647) {
    throw connectError('connect.not_found', 'HTTP 404 Not Found');
  }
  return Number(text);
}

function listConnectors(herder: Herder, request: RestRequest): unknown {
  const names = herder.connectors();
  if (!request.query.has('expand')) return names;
  const expand = request.query.getAll('expand');
  return Object.fromEntries(
    names.flatMap((name) => {
      const parts: Record<string, unknown> = {};
      try {
        for (const what of expand) {
          if (what === 'status') parts['status'] = herder.connectorStatus(name);
          if (what === 'info') parts['info'] = herder.connectorInfo(name);
        }
      } catch {
        // Deleted meanwhile, or without a status yet: left out, as in Connect.
        return [];
      }
      return [[name, parts]];
    }),
  );
}

async function createConnector(herder: Herder, request: RestRequest): Promise<RestAnswer> {
  const body = objectBody(request, 'The request has no connector to create');
  for (const field of Object.keys(body)) {
    if (!CREATE_FIELDS.includes(field)) {
      throw connectError(
        'connect.rest_internal',
        `Unrecognized field "${field}" (class org.apache.kafka.connect.runtime.rest.entities.CreateConnectorRequest), not marked as ignorable (3 known properties: "config", "name", "initial_state")`,
      );
    }
  }
  const initialState = initialStateOf(body['initial_state']);
  if (body['config'] === undefined || body['config'] === null) {
    throw connectError('connect.rest_internal', 'The request has no config');
  }
  const config = configMap(body['config'], 'config');
  const name = (body['name'] === undefined || body['name'] === null ? '' : String(body['name'])).trim();
  checkName(name, config);
  const { info } = await herder.putConnector(name, config, {
    allowReplace: false,
    ...(initialState === undefined ? {} : { initialState }),
  });
  return { status: 201, body: info, headers: { location: locationOf(request, name) } };
}

function initialStateOf(value: unknown): TargetState | undefined {
  if (value === undefined || value === null) return undefined;
  const state = typeof value === 'string' ? INITIAL_STATES[value.toUpperCase()] : undefined;
  if (state === undefined) {
    throw connectError('connect.rest_internal', 'initial_state must be one of RUNNING, PAUSED, STOPPED');
  }
  return state;
}

async function putConfig(
  herder: Herder,
  request: RestRequest,
  name: string,
  config: Record<string, string | null>,
): Promise<RestAnswer> {
  checkName(name, config);
  const { created, info } = await herder.putConnector(name, config, { allowReplace: true });
  return created
    ? { status: 201, body: info, headers: { location: locationOf(request, name) } }
    : { status: 200, body: info };
}

/** The name of the path or body and that in the config must agree; the config gets it where it has none. */
function checkName(name: string, config: Record<string, string | null>): void {
  const inConfig = config['name'];
  if (inConfig === undefined || inConfig === null || inConfig.trim() === name) {
    config['name'] = name;
  } else {
    throw connectError(
      'connect.bad_request',
      `Connector name configuration (${inConfig}) doesn't match connector name in the URL (${name})`,
    );
  }
}

function locationOf(request: RestRequest, name: string): string {
  // Java leaves in a path what a path may hold.
  const escaped = encodeURIComponent(name).replaceAll(/%(?:24|26|2B|2C|3A|3B|3D|40)/g, decodeURIComponent);
  return `${request.base}/connectors/${escaped}`;
}

async function restart(herder: Herder, request: RestRequest): Promise<RestAnswer> {
  const name = request.params['connector'] ?? '';
  const includeTasks = isTrue(request.query.get('includeTasks'));
  const onlyFailed = isTrue(request.query.get('onlyFailed'));
  if (!includeTasks && !onlyFailed) {
    await herder.restartConnector(name);
    return { status: 204 };
  }
  const status: ConnectorStatus = await herder.restartConnectorAndTasks(name, { includeTasks, onlyFailed });
  return { status: 202, body: status };
}
