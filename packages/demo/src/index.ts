/** The demo: shop schema, load generator, live view. */
export { type DemoOptions, runDemo } from './run.ts';
export { renderView, type ViewState } from './view.ts';
