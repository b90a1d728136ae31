/** Single message transforms and predicates. */
export {};
