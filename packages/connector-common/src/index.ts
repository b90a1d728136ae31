/** What Millrace source connectors share. */
export {};
