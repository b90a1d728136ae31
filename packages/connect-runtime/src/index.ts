/** The Connect-compatible worker. */
export {};
