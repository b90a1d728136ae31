// The version of a plug-in that a config asks for (KIP-891), by the rules of Maven: a bare version is that one alone,
// a range has brackets.

/** The problem with `connector.plugin.version` when the class has only `available`; undefined when that will do. */
export function versionProblem(wanted: string, className: string, available: string): string | undefined {
  const text = wanted.trim();
  if (text === 'latest') return undefined;
  const ranges = rangesOf(/[[(]/.test(text) ? text : `[${text}]`);
  if (ranges === undefined) return `Range defies version ordering: ${text}`;
  if (ranges.some((range) => contains(range, available))) return undefined;
  const shown = ranges.map(({ open, low, high, close }) => `${open}${low},${high}${close}`).join(',');
  return `Plugin ${className} not found that matches the version range ${shown}, available versions: [${available}]`;
}

interface Range {
  readonly open: string;
  readonly low: string;
  readonly high: string;
  readonly close: string;
  /** `[1.0]`: that version, also where it is empty. */
  readonly single: boolean;
}

/** `[1,2)`, `[1,2),(3,]`; undefined when a bracket is missing. */
function rangesOf(text: string): Range[] | undefined {
  const ranges: Range[] = [];
  for (const { 1: open = '', 2: inner = '', 3: close = '' } of text.matchAll(/([[(])([^[\]()]*)([\])])/g)) {
    const [low = '', high] = inner.split(',').map((part) => part.trim());
    ranges.push({ open, low, high: high ?? low, close, single: high === undefined });
  }
  return ranges.length === 0 || text.replaceAll(/[[(][^[\]()]*[\])],?/g, '').trim() !== ''
    ? undefined
    : ranges;
}

function contains({ open, low, high, close, single }: Range, version: string): boolean {
  if (single) return compareVersions(version, low) === 0;
  const above = low === '' ? 1 : compareVersions(version, low);
  const below = high === '' ? 1 : compareVersions(high, version);
  return (above > 0 || (above === 0 && open === '[')) && (below > 0 || (below === 0 && close === ']'));
}

/** What Maven knows of words in versions, oldest first; any other word comes after them. */
const WORDS = ['alpha', 'beta', 'milestone', 'rc', 'snapshot', '', 'sp'];

/** Below, at or above zero as `a` is older than, the same as or newer than `b`. */
export function compareVersions(a: string, b: string): number {
  const left = partsOf(a);
  const right = partsOf(b);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const order = comparePart(left[i] ?? '', right[i] ?? '');
    if (order !== 0) return order;
  }
  return 0;
}

function partsOf(version: string): string[] {
  const parts = version.toLowerCase().match(/\d+|[^\d.\-_]+/g) ?? [];
  return parts.map((part) => (part === 'final' || part === 'ga' || part === 'release' ? '' : part));
}

function comparePart(a: string, b: string): number {
  const numbers = [a, b].map((part) => /^\d+$/.test(part));
  if (numbers[0] === true || numbers[1] === true) {
    // A number is newer than any word; nothing counts as zero.
    if (numbers[0] !== true) return a === '' && Number(b) === 0 ? 0 : -1;
    if (numbers[1] !== true) return b === '' && Number(a) === 0 ? 0 : 1;
    return Number(a) - Number(b);
  }
  const rank = (word: string): number => (WORDS.includes(word) ? WORDS.indexOf(word) : WORDS.length);
  return rank(a) - rank(b) || (a < b ? -1 : Number(a > b));
}
