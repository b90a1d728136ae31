/** The demo: shop schema, load generator, live view. */
export {};
