/** Redis sink connector. */
export {};
