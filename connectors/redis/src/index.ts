/** Redis sink connector: caches and streams that follow the topics. */
import type { ConnectorValidation, SinkConnectorPlugin } from '@millrace/connect-api';
import { MillraceError, type RawConfig } from '@millrace/foundation';
import { redisConfigDef } from './config.ts';
import { RedisSinkConnector } from './connector.ts';
import { compileKeyTemplate } from './key-template.ts';
import { RedisSinkTask } from './task.ts';

export { redisErrors } from './errors.ts';

async function validate(config: RawConfig): Promise<ConnectorValidation> {
  try {
    compileKeyTemplate(config['redis.key.template'] ?? '');
    return { problems: [] };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return { problems: [{ key: 'redis.key.template', message: error.message }] };
  }
}

/** The manifest of the connector. */
export const plugin: SinkConnectorPlugin = {
  kind: 'sink',
  className: 'io.millrace.connect.redis.RedisSinkConnector',
  aliases: ['com.redis.kafka.connect.RedisSinkConnector'],
  version: '0.1.0',
  configDef: redisConfigDef,
  validate,
  createConnector: () => new RedisSinkConnector(),
  createTask: () => new RedisSinkTask(),
};
