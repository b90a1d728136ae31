// Names of topics and schemas: what Debezium makes of database names.

/** Replaces what a topic name may not hold by `_` and cuts it at Kafka's limit of 249. */
export function sanitizeTopicName(name: string): string {
  if (name === '.' || name === '..') return name.replaceAll('.', '_');
  return name.replaceAll(/[^a-zA-Z0-9._-]/g, '_').slice(0, 249);
}

/** `schema.name.adjustment.mode`. */
export type NameAdjustmentMode = 'none' | 'avro' | 'avro_unicode';

/** Makes a dotted schema name valid in the given mode. */
export function adjustSchemaName(name: string, mode: NameAdjustmentMode): string {
  if (mode === 'none') return name;
  return name
    .split('.')
    .map((part) => adjustNamePart(part, mode))
    .join('.');
}

/** Makes one name (a field, a part of a schema name) valid in the given mode. */
export function adjustNamePart(part: string, mode: NameAdjustmentMode): string {
  if (mode === 'none') return part;
  let adjusted = '';
  for (let i = 0; i < part.length; i++) {
    const char = part.charAt(i);
    const letter = /[A-Za-z]/.test(char) || (char === '_' && mode === 'avro');
    const digit = /\d/.test(char);
    if (letter || (digit && i > 0)) adjusted += char;
    else if (mode === 'avro') adjusted += digit ? `_${char}` : '_';
    else adjusted += `_u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  }
  return adjusted;
}
