// The FileStream connectors: one task reads, or each task writes, the one file of the config.
import type {
  Connector,
  ConnectorContext,
  OffsetMap,
  SinkConnectorPlugin,
  SourceConnectorPlugin,
  SourcePartition,
} from '@millrace/connect-api';
import type { RawConfig } from '@millrace/foundation';
import { FILE, sinkConfig, sourceConfig } from './config.ts';
import { fileError } from './errors.ts';
import { FileStreamSinkTask } from './sink-task.ts';
import { FILENAME, FileStreamSourceTask, POSITION } from './source-task.ts';

/** The Connect release whose FileStream connectors these are. */
const VERSION = '4.3.1';

class FileStreamConnector implements Connector {
  readonly #single: boolean;
  #config: RawConfig = {};

  constructor(options: { single: boolean }) {
    this.#single = options.single;
  }

  start(_context: ConnectorContext, config: RawConfig): Promise<void> {
    this.#config = config;
    return Promise.resolve();
  }

  taskConfigs(maxTasks: number): Promise<readonly RawConfig[]> {
    const count = this.#single ? 1 : maxTasks;
    return Promise.resolve(Array.from({ length: count }, () => this.#config));
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

export const fileStreamSource: SourceConnectorPlugin = {
  kind: 'source',
  className: 'org.apache.kafka.connect.file.FileStreamSourceConnector',
  version: VERSION,
  configDef: sourceConfig,
  createConnector: () => new FileStreamConnector({ single: true }),
  createTask: () => new FileStreamSourceTask(),
  // As long as the file is only appended to.
  exactlyOnceSupport: (config) => ((config[FILE] ?? '') === '' ? 'UNSUPPORTED' : 'SUPPORTED'),
  alterOffsets: (config, offsets) => {
    for (const { partition, offset } of offsets) checkOffset(config, partition, offset);
    return Promise.resolve(true);
  },
};

export const fileStreamSink: SinkConnectorPlugin = {
  kind: 'sink',
  className: 'org.apache.kafka.connect.file.FileStreamSinkConnector',
  version: VERSION,
  configDef: sinkConfig,
  createConnector: () => new FileStreamConnector({ single: false }),
  createTask: () => new FileStreamSinkTask(),
};

function checkOffset(config: RawConfig, partition: SourcePartition | null, offset: OffsetMap | null): void {
  if (!config[FILE]) {
    throw fileError(
      'file.bad_offset',
      "Offsets cannot be modified if the 'file' configuration is unspecified. This is because stdin is used for input and offsets are not tracked.",
    );
  }
  if (offset === null) return;
  const position = offset[POSITION];
  if (position === undefined) {
    throw fileError('file.bad_offset', "Offset objects should either be null or contain the key 'position'");
  }
  if (typeof position !== 'bigint' && !Number.isSafeInteger(position)) {
    throw fileError(
      'file.bad_offset',
      "The value for the 'position' key in the offset is expected to be a Long value",
    );
  }
  if (Number(position) < 0) {
    throw fileError(
      'file.bad_offset',
      "The value for the 'position' key in the offset should be a non-negative value",
    );
  }
  if (partition === null) throw fileError('file.bad_offset', 'Partition objects cannot be null');
  if (partition[FILENAME] === undefined) {
    throw fileError('file.bad_offset', "Partition objects should contain the key 'filename'");
  }
}
