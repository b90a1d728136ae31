/** Schemas, structs, logical types, the change envelope and naming. */
export {};
