// Validation of a connector config: Connect's common keys, transforms and predicates, the connector's own keys and
// checks, converters, client overrides. One answer holds every problem.
import type { ConfigInfos, ConnectorPlugin, Plugin, SourceConnectorPlugin } from '@millrace/connect-api';
import {
  ConfigDef,
  type ConfigKey,
  type ConfigProblem,
  invalid,
  messageOf,
  type RawConfig,
  validators,
} from '@millrace/foundation';
import { connectError } from '../errors.ts';
import { interfaceName, type PluginRegistry } from '../plugins.ts';
import { ownSettings } from '../task/transformation-chain.ts';
import {
  type ClientKind,
  checkOverrideValues,
  type OverridePolicy,
  overrideProblems,
  withPrefix,
} from './client-overrides.ts';
import { type CheckedKey, checkKey, checkKeys, configInfos, groupsOf, keyInfo } from './config-infos.ts';
import {
  aliasKeys,
  type CommonKeyContext,
  sinkConnectorDef,
  sourceConnectorDef,
} from './connector-config.ts';
import { versionProblem } from './plugin-version.ts';
import { type ConfigProviders, resolveKnownVariables } from './providers.ts';

/** What validation needs of the worker. */
export interface ValidationContext {
  readonly plugins: PluginRegistry;
  readonly workerConverters: { readonly key: string; readonly value: string; readonly header: string };
  readonly providers: ConfigProviders;
  readonly overridePolicy: OverridePolicy;
  /** Whether the worker has exactly-once sources enabled. */
  readonly exactlyOnce: boolean;
}

const CONVERTER_SIDES = ['key', 'value', 'header'] as const;
const MUST_HAVE_TOPICS = 'Must configure one of topics or topics.regex';
const NO_EXACTLY_ONCE = 'This worker does not have exactly-once source support enabled.';
const UNKNOWN_EXACTLY_ONCE =
  'The connector does not implement the API required for preflight validation of exactly-once source support. Please consult the documentation for the connector to determine whether it supports exactly-once semantics, and then consider reconfiguring the connector to use the value "requested" for this property (which will disable this preflight check and allow the connector to be created).';
const UNSUPPORTED_EXACTLY_ONCE =
  'The connector does not support exactly-once semantics with the provided configuration.';
const NO_BOUNDARIES =
  'The connector does not support connector-defined transaction boundaries with the given configuration. Please reconfigure it to use a different transaction boundary definition.';
const NULL_VALUE = 'Null value can not be supplied as the configuration value.';

/**
 * Checks a config as `PUT .../validate` answers it.
 * @throws connect.bad_request without a connector class or with one there is not; connect.rest_internal for an override
 *   that no client could take, as Connect does
 */
export async function validateConnectorConfig(
  posted: RawConfig,
  context: ValidationContext,
  signal: AbortSignal,
): Promise<ConfigInfos> {
  const plugin = await connectorOf(posted, context.plugins);
  const given = plugin.upgradeConfig?.(posted).config ?? posted;
  const config = await resolveKnownVariables(given, context.providers);
  const common = await checkCommon(config, plugin, context);
  // Without a class of the version that is asked for there is nobody to ask.
  const isThere = keyNamed(common.keys, 'connector.class').errors.length === 0;
  const own = isThere ? await checkOwn(config, plugin, signal) : [];
  const converters = await checkConverters(config, context.plugins);
  const rest = [...nullValues(posted, [...common.keys, ...own]), ...overrideKeys(config, plugin, context)];
  const keys = [...common.keys, ...own, ...converters.keys, ...rest];
  checkOverrideValues(config, clientsOf(plugin, config, context.exactlyOnce));
  return {
    name: posted['connector.class'] ?? '',
    error_count: keys.reduce((count, key) => count + key.errors.length, 0),
    groups: [
      ...new Set([...common.groups, ...groupsOf(plugin.configDef.keys.values()), ...converters.groups]),
    ],
    configs: configInfos(keys, config),
  };
}

/** The connector a config names. */
export async function connectorOf(config: RawConfig, plugins: PluginRegistry): Promise<ConnectorPlugin> {
  const name = config['connector.class'];
  if (name === undefined || name === null) {
    const shown = Object.entries(config).map(([key, value]) => `${key}=${value ?? 'null'}`);
    throw connectError(
      'connect.bad_request',
      `Connector config {${shown.join(', ')}} contains no connector type`,
    );
  }
  try {
    return await plugins.connector(name.trim());
  } catch (error) {
    throw connectError('connect.bad_request', messageOf(error), { cause: error });
  }
}

/** Common keys and those of a plug-in, as `GET /connector-plugins/{p}/config` lists them: its own come first. */
export function pluginKeys(plugin: Plugin, context: ValidationContext): ReturnType<typeof keyInfo>[] {
  const own = [...definitionOf(plugin, context.plugins).keys.values()];
  const common =
    plugin.kind === 'source' || plugin.kind === 'sink'
      ? [...commonDef({}, plugin, context.plugins, { key: null, value: null, header: null }).keys.values()]
      : [];
  return [...own, ...common]
    .filter((key) => key.internal !== true)
    .filter((key, i, all) => all.findIndex(({ name }) => name === key.name) === i)
    .map(keyInfo);
}

/** Connect's own keys for a connector of this kind. */
export function commonDef(
  config: RawConfig,
  plugin: ConnectorPlugin,
  plugins: PluginRegistry,
  workerConverters: CommonKeyContext['workerConverters'],
): ConfigDef {
  const values = {
    connectorVersion: plugin.version,
    keyConverter: config['key.converter'] ?? workerConverters.key,
    valueConverter: config['value.converter'] ?? workerConverters.value,
    headerConverter: config['header.converter'] ?? workerConverters.header,
  };
  const keyContext: CommonKeyContext = {
    plugins,
    workerConverters,
    versionOf: (className) => (className === null ? null : (plugins.find(className)?.version ?? null)),
  };
  return plugin.kind === 'source'
    ? sourceConnectorDef(keyContext, values)
    : sinkConnectorDef(keyContext, values);
}

/** A plug-in's keys with the one that Connect gives every converter, also where it converts headers. */
function definitionOf(plugin: Plugin, plugins: PluginRegistry): ConfigDef {
  const converts =
    plugin.kind === 'header_converter' && plugins.find(plugin.className, 'converter') !== undefined;
  if (plugin.kind !== 'converter' && !converts) return plugin.configDef;
  if (plugin.configDef.keys.has('converter.type')) return plugin.configDef;
  return new ConfigDef([
    {
      name: 'converter.type',
      type: 'STRING',
      importance: 'LOW',
      doc: 'Whether it converts keys, values or headers; the worker sets it.',
      validator: validators.oneOf('key', 'value', 'header'),
    },
    ...plugin.configDef.keys.values(),
  ]);
}

interface Checked {
  readonly keys: readonly CheckedKey[];
  readonly groups: readonly string[];
}

async function checkCommon(
  config: RawConfig,
  plugin: ConnectorPlugin,
  context: ValidationContext,
): Promise<Checked> {
  const definition = commonDef(config, plugin, context.plugins, context.workerConverters);
  const keys = [...checkKeys(definition, config), ...ownKeysGiven(definition, config)];
  for (const side of CONVERTER_SIDES)
    checkConverterClass(keyNamed(keys, `${side}.converter`), side, context.plugins);
  if (plugin.kind === 'sink') checkTopics(keys, config);
  else checkExactlyOnce(keys, config, plugin, context);
  const version = config['connector.plugin.version'] ?? undefined;
  const unavailable =
    version === undefined || plugin.version === null
      ? undefined
      : versionProblem(version, plugin.className, plugin.version);
  if (unavailable !== undefined)
    for (const name of ['connector.class', 'connector.plugin.version'])
      keyNamed(keys, name).errors.push(unavailable);
  const groups = groupsOf(definition.keys.values());
  for (const kind of ['transforms', 'predicates'] as const) {
    const aliases = keyNamed(keys, kind).value;
    for (const alias of new Set(Array.isArray(aliases) ? aliases : [])) {
      keys.push(...(await checkAlias(kind, alias, config, context.plugins)));
      groups.push(`${kind === 'transforms' ? 'Transforms' : 'Predicates'}: ${alias}`);
    }
  }
  return { keys, groups };
}

/** Keys of ours that Connect does not have: its answers have no place for them until they are given. */
function ownKeysGiven(definition: ConfigDef, config: RawConfig): CheckedKey[] {
  return [...definition.keys.values()]
    .filter((key) => key.internal === true && (config[key.name] ?? null) !== null)
    .map((key) => checkKey(key, config[key.name] ?? undefined));
}

function keyNamed(keys: readonly CheckedKey[], name: string): CheckedKey {
  const found = keys.find((key) => key.name === name);
  if (!found) throw new Error(`no key ${name} among the common keys`);
  return found;
}

function checkConverterClass(
  key: CheckedKey,
  side: (typeof CONVERTER_SIDES)[number],
  plugins: PluginRegistry,
): void {
  const kind = side === 'header' ? 'header_converter' : 'converter';
  checkClass(key, [kind], plugins);
}

/** A class that is unknown, or that is something else, in Connect's words; known names become full class names. */
function checkClass(key: CheckedKey, kinds: readonly Plugin['kind'][], plugins: PluginRegistry): boolean {
  const name = key.value;
  if (typeof name !== 'string') return false;
  const entry = plugins.find(name, ...kinds);
  if (entry) {
    key.value = entry.className;
    return true;
  }
  const other =
    plugins.find(name)?.className ?? (/^java\.(lang|util)\.[A-Z]\w*$/.test(name) ? name : undefined);
  const wanted = interfaceName(kinds[0] ?? 'converter');
  key.errors.push(
    other !== undefined
      ? `Class class ${other} does not implement the ${wanted} interface`
      : invalid(key.name, name, `Class ${name} could not be found.`),
  );
  return false;
}

function checkExactlyOnce(
  keys: readonly CheckedKey[],
  config: RawConfig,
  plugin: SourceConnectorPlugin,
  context: ValidationContext,
): void {
  const support = keyNamed(keys, 'exactly.once.support');
  if (support.errors.length === 0 && String(support.value).toLowerCase() === 'required') {
    if (!context.exactlyOnce) support.errors.push(NO_EXACTLY_ONCE);
    const problem = asking(() => {
      const answer = plugin.exactlyOnceSupport?.(config);
      if (answer === 'SUPPORTED') return undefined;
      return answer === undefined ? UNKNOWN_EXACTLY_ONCE : UNSUPPORTED_EXACTLY_ONCE;
    });
    if (problem !== undefined) support.errors.push(problem);
  }
  const boundary = keyNamed(keys, 'transaction.boundary');
  if (boundary.errors.length === 0 && String(boundary.value).toLowerCase() === 'connector') {
    const problem = asking(() =>
      plugin.canDefineTransactionBoundaries?.(config) === 'SUPPORTED' ? undefined : NO_BOUNDARIES,
    );
    if (problem !== undefined) boundary.errors.push(problem);
  }
}

/** What a connector answers about its config, or Connect's words for one that cannot. */
function asking(question: () => string | undefined): string | undefined {
  try {
    return question();
  } catch (error) {
    const message = messageOf(error).trim();
    const tail = message === '' ? '; please see the worker logs for more details.' : `: ${message}`;
    return `An unexpected error occurred during validation${tail}`;
  }
}

function checkTopics(keys: readonly CheckedKey[], config: RawConfig): void {
  const topics = keyNamed(keys, 'topics');
  const regex = keyNamed(keys, 'topics.regex');
  const list = Array.isArray(topics.value) ? topics.value : [];
  const hasRegex = typeof regex.value === 'string' && regex.value !== '';
  const dlq = config['errors.deadletterqueue.topic.name'] ?? '';
  if (list.length === 0 && !hasRegex) {
    topics.errors.push(MUST_HAVE_TOPICS);
    regex.errors.push(MUST_HAVE_TOPICS);
  } else if (list.length > 0 && hasRegex) {
    const both = 'topics and topics.regex are mutually exclusive options, but both are set.';
    topics.errors.push(both);
    regex.errors.push(both);
  } else if (dlq !== '' && list.includes(dlq)) {
    topics.errors.push(
      `The DLQ topic '${dlq}' may not be included in the list of topics ('topics=[${list.join(', ')}]') consumed by the connector`,
    );
  } else if (dlq !== '' && hasRegex && new RegExp(`^(?:${String(regex.value)})$`).test(dlq)) {
    regex.errors.push(
      `The DLQ topic '${dlq}' may not be matched by the regex for the topics ('topics.regex=${String(regex.value)}') consumed by the connector`,
    );
  }
}

/** Keys of one transform or predicate: its class, then the class's own, then which records it applies to. */
async function checkAlias(
  kind: 'transforms' | 'predicates',
  alias: string,
  config: RawConfig,
  plugins: PluginRegistry,
): Promise<CheckedKey[]> {
  const prefix = `${kind}.${alias}.`;
  const pluginKind = kind === 'transforms' ? 'transformation' : 'predicate';
  const entry = plugins.find(config[`${prefix}type`] ?? '', pluginKind);
  const [typeKey, versionKey] = aliasKeys(kind, alias, {
    recommended: plugins.classNames(pluginKind),
    version: entry?.version ?? null,
  });
  if (!typeKey || !versionKey) return [];
  const type = checkKey(typeKey, config[typeKey.name] ?? undefined);
  checkClass(type, [pluginKind], plugins);
  const checked = [type, checkKey(versionKey, config[versionKey.name] ?? undefined)];
  let order = 2;
  if (entry) {
    const plugin = await plugins.load(entry);
    for (const key of plugin.configDef.keys.values()) {
      checked.push(
        checkAliasKey({ ...key, group: typeKey.group ?? '', orderInGroup: order++ }, prefix, config),
      );
    }
    const given = ownSettings(withPrefix(config, prefix), plugin.configDef.keys.has('predicate'));
    addRemoteProblems(checked, prefix, (await entry.check?.(given)) ?? []);
  }
  if (kind === 'transforms')
    checked.push(...checkPredicateUse(prefix, typeKey.group ?? '', order, config, type));
  return checked;
}

/** What the class itself says of a key names it without the prefix. */
function checkAliasKey(key: ConfigKey, prefix: string, config: RawConfig): CheckedKey {
  const name = `${prefix}${key.name}`;
  return {
    ...checkKey(key, config[name] ?? undefined, name),
    key: { ...key, name, displayName: key.displayName ?? key.name },
    name,
  };
}

function checkPredicateUse(
  prefix: string,
  group: string,
  order: number,
  config: RawConfig,
  type: CheckedKey,
): CheckedKey[] {
  const shared = { importance: 'MEDIUM', group, width: 'NONE' } as const;
  const negate: ConfigKey = {
    ...shared,
    name: `${prefix}negate`,
    type: 'BOOLEAN',
    default: false,
    doc: 'Whether the predicate is negated.',
    orderInGroup: order,
    displayName: 'negate',
  };
  const predicate: ConfigKey = {
    ...shared,
    name: `${prefix}predicate`,
    type: 'STRING',
    default: null,
    doc: 'Alias of the predicate that records must meet.',
    orderInGroup: order + 1,
    displayName: 'predicate',
  };
  if (config[negate.name] !== undefined && config[predicate.name] === undefined) {
    type.errors.push(
      `Config '${negate.name}' was provided but there is no config '${predicate.name}' defining a predicate to be negated.`,
    );
  }
  return [negate, predicate].map((key) => checkKey(key, config[key.name] ?? undefined));
}

/** The connector's own keys; what goes beyond single values is asked of it only when those are right. */
async function checkOwn(
  config: RawConfig,
  plugin: ConnectorPlugin,
  signal: AbortSignal,
): Promise<CheckedKey[]> {
  const keys = checkKeys(plugin.configDef, config);
  if (plugin.checkValues) {
    // Debezium's own validation shows no values.
    for (const key of keys) {
      key.errors.length = 0;
      key.value = null;
    }
    addProblems(keys, plugin.checkValues(config));
  }
  if (plugin.validate && keys.every((key) => key.errors.length === 0)) {
    addProblems(keys, (await plugin.validate(config, signal)).problems);
  }
  return keys;
}

/** What the process of the plug-in says of settings; where this one has found a problem already, that is told. */
function addRemoteProblems(keys: CheckedKey[], prefix: string, problems: readonly ConfigProblem[]): void {
  const named = problems.map(({ key, message }) => ({ key: `${prefix}${key}`, message }));
  addProblems(
    keys,
    named.filter(({ key }) => (keys.find(({ name }) => name === key)?.errors.length ?? 0) === 0),
  );
}

function addProblems(
  keys: CheckedKey[],
  problems: readonly { readonly key: string; readonly message: string }[],
): void {
  for (const { key: name, message } of problems) {
    let target = keys.find((key) => key.name === name);
    if (!target) {
      target = { key: null, name, value: null, errors: [] };
      keys.push(target);
    }
    target.errors.push(message);
  }
}

/** Settings of the converters that the config itself names. */
async function checkConverters(config: RawConfig, plugins: PluginRegistry): Promise<Checked> {
  const keys: CheckedKey[] = [];
  const groups: string[] = [];
  for (const side of CONVERTER_SIDES) {
    const kind = side === 'header' ? 'header_converter' : 'converter';
    const entry = plugins.find(config[`${side}.converter`] ?? '', kind);
    if (!entry || config[`${side}.converter`] === undefined) continue;
    const configDef = definitionOf(await plugins.load(entry), plugins);
    const settings = { 'converter.type': side, ...withPrefix(config, `${side}.converter.`) };
    for (const checked of checkKeys(configDef, settings)) {
      const name = `${side}.converter.${checked.name}`;
      keys.push({ ...checked, name, key: checked.key && { ...checked.key, name } });
    }
    addRemoteProblems(keys, `${side}.converter.`, (await entry.check?.(settings)) ?? []);
    groups.push(...groupsOf(configDef.keys.values()));
  }
  return { keys, groups };
}

function nullValues(posted: RawConfig, known: readonly CheckedKey[]): CheckedKey[] {
  const added: CheckedKey[] = [];
  for (const [name, value] of Object.entries(posted)) {
    if (value !== null) continue;
    const key = known.find((candidate) => candidate.name === name);
    if (key) key.errors.push(NULL_VALUE);
    else added.push({ key: null, name, value: null, errors: [NULL_VALUE] });
  }
  return added;
}

/** The clients that a connector's overrides are checked for. */
function clientsOf(plugin: ConnectorPlugin, config: RawConfig, exactlyOnce: boolean): ClientKind[] {
  if (plugin.kind === 'source') {
    const hasOwnOffsets = exactlyOnce || (config['offsets.storage.topic'] ?? '').trim() !== '';
    return hasOwnOffsets ? ['producer', 'consumer', 'admin'] : ['producer'];
  }
  return (config['errors.deadletterqueue.topic.name'] ?? '') === ''
    ? ['consumer']
    : ['consumer', 'producer', 'admin'];
}

function overrideKeys(
  config: RawConfig,
  plugin: ConnectorPlugin,
  { overridePolicy, exactlyOnce }: ValidationContext,
): CheckedKey[] {
  const clients = clientsOf(plugin, config, exactlyOnce);
  return overrideProblems(config, overridePolicy, clients).map(({ key, value, message }) => ({
    key: null,
    name: key,
    value,
    errors: [message],
  }));
}

/** Connect's text for a config with problems, which REST answers with 400; undefined when there are none. */
export function problemText(infos: ConfigInfos): string | undefined {
  if (infos.error_count === 0) return undefined;
  const lines = infos.configs.flatMap((config) => config.value.errors);
  return (
    `Connector configuration is invalid and contains the following ${infos.error_count} error(s):\n` +
    `${lines.join('\n')}\n` +
    'You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`'
  );
}
