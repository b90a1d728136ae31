/** Errors, config definitions, telemetry and clock shared by every Millrace package. */
export {};
