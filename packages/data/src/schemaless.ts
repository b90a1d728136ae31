// Values without a schema, as schemaless JSON gives them: null, boolean, string, number or bigint for integers,
// number for doubles with a fraction, Double for whole ones, Buffer, Date, arrays and Maps.

/** A whole double without a schema to say so: keeps `1.0` from becoming `1`. */
export class Double {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
  valueOf(): number {
    return this.value;
  }
  equals(other: unknown): boolean {
    return other instanceof Double && Object.is(other.value, this.value);
  }
}

/** The schemaless form of a double. */
export function schemalessDouble(value: number): number | Double {
  return Number.isInteger(value) ? new Double(value) : value;
}
