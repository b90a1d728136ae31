/** The bundled Kafka-compatible broker. */
export {};
