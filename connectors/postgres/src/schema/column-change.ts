// What a config does to single columns: cutting, masking and hashing their values, and showing their source type. Each
// also shows in the schema of the field.
import type { ColumnChange } from '@millrace/connector-common';
import type { RawField } from '@millrace/data';
import type { CatalogColumn } from './catalog.ts';
import type { Decode, ResolvedType } from './mapping.ts';
import { lengthAndScale, sourceTypeParameters } from './source-type.ts';
import type { RowColumn, TableSchemaInput } from './table-schema.ts';

/** Types that the Java driver calls text: only they are masked and hashed. */
const TEXT: ReadonlySet<string> = new Set(['text', 'varchar', 'bpchar', 'char', 'name']);

const BITS: ReadonlySet<string> = new Set(['bit', 'varbit']);

/** The parameters that a change adds to the schema. */
export function changeParameters(
  change: ColumnChange,
  resolved: ResolvedType,
  input: TableSchemaInput,
  column: RowColumn,
  known: CatalogColumn | undefined,
): Record<string, string> {
  switch (change.kind) {
    case 'truncate':
      return lengthAndScale(resolved).length > change.length ? { truncateLength: String(change.length) } : {};
    case 'mask':
    case 'hash':
      return { masked: 'true' };
    case 'propagate':
      return sourceTypeParameters(resolved, input, column, known);
    default:
      return change satisfies never;
  }
}

/** The field with its values changed. What stands for an unchanged value stays recognizable, but for a mask. */
export function changed(raw: RawField, change: ColumnChange, resolved: ResolvedType): RawField {
  const { type } = resolved;
  const isText = type.kind === 'e' || (type.elementOid === 0 && TEXT.has(type.name));
  switch (change.kind) {
    case 'propagate':
      return raw;
    case 'truncate':
      // Bit strings show the length that they would be cut to, and are not cut.
      if (type.elementOid === 0 && BITS.has(type.name)) return raw;
      if (lengthAndScale(resolved).length <= change.length) return raw;
      return mapped(raw, (value) =>
        typeof value === 'string' || Buffer.isBuffer(value) ? value.slice(0, change.length) : value,
      );
    case 'mask':
      if (!isText) return raw;
      return { ...mapped(raw, () => change.text), nullValue: change.text, unavailableValue: change.text };
    case 'hash': {
      if (!isText) return raw;
      const { length } = lengthAndScale(resolved);
      return mapped(raw, (value) =>
        typeof value === 'string' ? change.hash(value).slice(0, length) : value,
      );
    }
    default:
      return change satisfies never;
  }
}

function mapped(raw: RawField, change: (value: unknown) => unknown): RawField {
  const decode: Decode = (bytes, start, end) => change(raw.decode(bytes, start, end));
  return { ...raw, encoding: 'decode', decode, nullValue: change(raw.nullValue), concealed: true };
}
