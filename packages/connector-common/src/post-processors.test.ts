import { describe, expect, test } from 'vitest';
import { isPostProcessorKey, postProcessorProblem, reselectRules } from './post-processors.ts';

const CLASS = 'io.debezium.processors.reselect.ReselectColumnsPostProcessor';
const config = (more: Record<string, string> = {}): Record<string, string> => ({
  'post.processors': 'again',
  'again.type': CLASS,
  ...more,
});

describe('post processors', () => {
  test('have the defaults of Debezium', () => {
    const { selects, ...rules } = reselectRules(config()) ?? { selects: () => false };
    expect(rules).toEqual({ unavailable: true, nulls: true, byEventKey: false, failsOnError: false });
    expect(selects('public.t:any')).toBe(true);
    expect(reselectRules({})).toBeUndefined();
  });

  test('choose columns by an include list, else by an exclude list, without regard to case', () => {
    const include = reselectRules(
      config({
        'again.reselect.columns.include.list': 'public.t:(A|b)',
        'again.reselect.columns.exclude.list': 'public.t:a',
      }),
    );
    expect(['public.t:a', 'public.t:B', 'public.t:c'].map((name) => include?.selects(name))).toEqual([
      true,
      true,
      false,
    ]);
    const exclude = reselectRules(config({ 'again.reselect.columns.exclude.list': 'public.t:a' }));
    expect(['public.t:a', 'public.t:b'].map((name) => exclude?.selects(name))).toEqual([false, true]);
  });

  test('are refused where they cannot be had, in words that say which there is', () => {
    expect(postProcessorProblem({ 'post.processors': 'x' })).toContain(`x.type is not set`);
    expect(postProcessorProblem({ 'post.processors': 'x', 'x.type': 'com.example.Mine' })).toContain(CLASS);
    expect(postProcessorProblem(config({ 'again.reselect.error.handling.mode': 'ignore' }))).toContain(
      'warn or fail',
    );
    expect(postProcessorProblem(config({ 'post.processors': 'again,x', 'x.type': CLASS }))).toContain(
      'only one',
    );
    expect(() => reselectRules({ 'post.processors': 'x' })).toThrow(
      expect.objectContaining({ code: 'config.invalid', configKey: 'post.processors' }),
    );
  });

  test('have keys of their own', () => {
    expect(isPostProcessorKey('again.reselect.null.values')).toBe(true);
    expect(isPostProcessorKey('again.type')).toBe(true);
    expect(isPostProcessorKey('topic.prefix')).toBe(false);
  });
});
