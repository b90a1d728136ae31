/** FileStream source and sink connectors. */
export {};
