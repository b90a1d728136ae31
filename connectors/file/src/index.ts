/** The FileStream source and sink of Kafka Connect. */
export { fileStreamSink, fileStreamSource } from './connector.ts';
