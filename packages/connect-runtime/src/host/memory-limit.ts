/** What the watch of a process writes before it kills it. */
export const MEMORY_LIMIT_LINE = 'millrace: the memory limit of this process is reached';
