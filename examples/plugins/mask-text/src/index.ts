/** Puts a mask in place of one text. */
export { plugin } from './mask-text.ts';
