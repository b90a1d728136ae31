/** Errors, config definitions, telemetry and clock shared by every Millrace package. */
export { onAbort } from './abort-calls.ts';
export { type Clock, systemClock } from './clock.ts';
export {
  type Collect,
  collectSmallHeap,
  collectWhenQuiet,
  findCollector,
  keepYoungSpace,
} from './collect-garbage.ts';
export {
  ConfigDef,
  type ConfigKey,
  type ConfigProblem,
  type ConfigType,
  type ConfigValue,
  type ConfigWarning,
  type Importance,
  invalid,
  nearestName,
  type ParseResult,
  Password,
  parseConfigText,
  type RawConfig,
  ResolvedConfig,
  type Validator,
  validators,
  WholeProblem,
  type Width,
} from './config.ts';
export {
  allErrorCodes,
  CONNECT_EXCEPTION,
  defineErrorCodes,
  type ErrorCodeInfo,
  type ErrorContext,
  type ErrorPolicy,
  findCoded,
  javaTrace,
  MillraceError,
  type MillraceErrorOptions,
  messageOf,
  policyOf,
  remedyOf,
  toError,
} from './errors.ts';
export {
  javaRegex,
  javaRegexAnyCase,
  javaRegexProblem,
  javaRegexWhole,
  javaReplacement,
  javaRewrite,
  type Rewrite,
} from './java-regex.ts';
export { largeBuffer } from './large-buffer.ts';
export {
  createMetrics,
  type GaugeFamily,
  type GaugeInfo,
  type GaugeLine,
  type Metrics,
  pageOf,
  type RenderedFamily,
  renderOthers,
  renderShown,
  type SeriesKind,
  showGauge,
  showGauges,
} from './metrics.ts';
export { parseProperties } from './properties.ts';
export { SampledStat } from './sampled-stat.ts';
export { afterRoughly, ROUGH_MS, type SharedTimer, SharedTimers } from './shared-timers.ts';
export {
  type Logger,
  LogHub,
  type LogHubOptions,
  type LogLevel,
  silentLogger,
} from './telemetry.ts';
