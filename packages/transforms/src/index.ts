/** Single message transforms and predicates. */
export { transformErrors } from './errors.ts';
export { ExtractNewRecordState } from './extract-new-record-state.ts';
export { Filter } from './filter.ts';
export { InsertField } from './insert-field.ts';
export { transformPlugins } from './plugins.ts';
export { HasHeaderKey } from './predicates/has-header-key.ts';
export { RecordIsTombstone } from './predicates/record-is-tombstone.ts';
export { TopicNameMatches } from './predicates/topic-name-matches.ts';
export { RegexRouter } from './regex-router.ts';
export { ReplaceField } from './replace-field.ts';
