/** Conformance suites, real-server harness and golden reader. */
export { type Change, type DeliveredChange, historyProblems, withoutReplays } from './change-history.ts';
export { childEnvironment } from './child-environment.ts';
export { type ConvertedValue, type ConverterSubject, describeConverter } from './conformance/converter.ts';
export { describeSinkConnector, type SinkSubject, type TargetUnderTest } from './conformance/sink.ts';
export { describeSourceConnector, type SourceSubject, type SourceUnderTest } from './conformance/source.ts';
export { describeTransformation, type TransformationSubject } from './conformance/transformation.ts';
export {
  connectWithDebezium,
  goProgram,
  JavaTools,
  javaProgram,
  kafkaClassPath,
  npmFolder,
  streamsClassPath,
} from './foreign.ts';
export { describeSchema, describeValue, GoldenValues } from './golden-values.ts';
export { goldenLines, goldenPath, recordedPath } from './goldens.ts';
export { connectProperties, kafkaProperties, writeProperties } from './java-properties.ts';
export { type CommandOptions, type CommandResult, runCommand, runMillrace } from './millrace-command.ts';
export { type MillraceOptions, MillraceProcess, startMillrace } from './millrace-process.ts';
export { postgresWithPostgis } from './postgis.ts';
export { pythonWith } from './python.ts';
export { RealConnect } from './real-connect.ts';
export { RealKafka } from './real-kafka.ts';
export { type RestAnswer, type RestSubject, restRequest } from './rest-request.ts';
export { SeededRandom, testRandom, testRounds } from './seeded-random.ts';
export { TcpProxy } from './tcp-proxy.ts';
export { type TestDatabase, testDatabase } from './test-database.ts';
export { testRedis } from './test-redis.ts';
export { eventually } from './waiting.ts';
