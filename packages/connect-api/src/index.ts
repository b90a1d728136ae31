/** The plug-in contract: connectors, tasks, records, converters, transformations. */
export {};
