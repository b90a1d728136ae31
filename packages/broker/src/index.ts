/** The bundled broker: Kafka's protocol over TCP on a durable log. */
export { type BrokerHandle, type BrokerOptions, type BrokerParts, startBroker } from './broker.ts';
export type { Address } from './broker-state.ts';
