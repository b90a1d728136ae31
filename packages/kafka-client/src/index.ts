/** Producer, consumer and group member on the Kafka protocol. */
export {};
