// The client commands: everything that talks to a running Millrace, Kafka Connect or Kafka.
import type { Command } from 'commander';
import { registerConnectors } from './connectors.ts';
import { registerConsume } from './consume.ts';
import { registerGroups } from './groups.ts';
import { registerLifecycle } from './lifecycle.ts';
import { registerProduce } from './produce.ts';
import { registerSlots } from './slots.ts';
import { registerTopics } from './topics.ts';

export const clientCommands: readonly ((program: Command) => void)[] = [
  registerConnectors,
  registerLifecycle,
  registerSlots,
  registerTopics,
  registerGroups,
  registerConsume,
  registerProduce,
];
