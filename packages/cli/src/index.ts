/** Change data capture in one light process. */
export {};
