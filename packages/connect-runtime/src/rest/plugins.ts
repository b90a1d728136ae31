// Plug-ins, their config keys, and validation.
import { MillraceError } from '@millrace/foundation';
import { connectError, JAVA } from '../errors.ts';
import type { Herder } from '../herder/herder-api.ts';
import { configMap, objectBody, ok, type RestAnswer, type RestRequest, type Route } from './http.ts';

export function pluginRoutes(herder: Herder): Route[] {
  return [
    {
      method: 'GET',
      path: '/connector-plugins',
      handle: (request) => {
        // Java's Boolean: everything but `true` asks for all of them; absent means true.
        const onlyConnectors = (request.query.get('connectorsOnly') ?? 'true').toLowerCase() === 'true';
        const plugins = herder.plugins();
        return ok(
          onlyConnectors ? plugins.filter(({ type }) => type === 'sink' || type === 'source') : plugins,
        );
      },
    },
    {
      method: 'GET',
      path: '/connector-plugins/:plugin/config',
      handle: async (request) =>
        ok(
          await herder.pluginConfig(
            request.params['plugin'] ?? '',
            request.query.get('version') ?? undefined,
          ),
        ),
    },
    {
      method: 'PUT',
      path: '/connector-plugins/:plugin/config/validate',
      handle: (request) => validate(herder, request),
    },
  ];
}

async function validate(herder: Herder, request: RestRequest): Promise<RestAnswer> {
  const config = configMap(objectBody(request, 'The request has no connector config'), 'The config');
  const inPath = request.params['plugin'] ?? '';
  const inConfig = config['connector.class'];
  if (typeof inConfig === 'string' && !sameType(inPath, inConfig)) {
    throw connectError(
      'connect.bad_request',
      `Included connector type ${inConfig} does not match request type ${inPath}`,
    );
  }
  try {
    return ok(await herder.validate(config));
  } catch (error) {
    // Here Connect answers a 500 with the exception's class in front, also where creating answers a 400.
    if (!(error instanceof MillraceError)) throw error;
    const exception = error.code === 'connect.bad_request' ? JAVA.badRequest : error.javaClass;
    if (exception !== JAVA.badRequest && exception !== JAVA.config) throw error;
    throw connectError('connect.rest_internal', `${exception}: ${error.message}`, { cause: error });
  }
}

/** Whether the path names the class of the config: in full, by simple name, or without `Connector`. */
function sameType(inPath: string, inConfig: string): boolean {
  if (inPath === inConfig) return true;
  if (inPath.includes('.')) return false;
  const simple = (name: string): string => name.slice(name.lastIndexOf('.') + 1).replace(/Connector$/, '');
  return simple(inPath) === simple(inConfig);
}
