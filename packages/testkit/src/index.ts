/** Conformance suites, real-server harness and golden reader. */
export {};
