// Hook of the module loader in processes for plug-ins of others: whatever copy of the plug-in contract a package has
// installed, it gets the worker's own, so that records, schemas and errors are the same classes on both sides.
const OWN = new Set(['@millrace/connect-api', '@millrace/data', '@millrace/foundation']);

interface ResolveContext {
  readonly parentURL?: string | undefined;
}
type NextResolve = (specifier: string, context: ResolveContext) => unknown;

export function resolve(specifier: string, context: ResolveContext, next: NextResolve): unknown {
  return next(specifier, OWN.has(specifier) ? { ...context, parentURL: import.meta.url } : context);
}
