// Numbers as Java prints them, which is how Connect's converters write them.

/** `Double.toString`: `1.0`, `1.0E10`, `1.0E-5`, `NaN`, `Infinity`; shortest digits that read back the same. */
export function javaDouble(value: number): string {
  return javaFloating(value, (v) => String(v));
}

/** `Float.toString` of a value that is a float32. */
export function javaFloat(value: number): string {
  return javaFloating(value, shortestFloat);
}

function shortestFloat(value: number): string {
  for (let precision = 1; precision <= 9; precision++) {
    const text = value.toPrecision(precision);
    if (Math.fround(Number(text)) === value) return String(Number(text));
  }
  return String(value);
}

function javaFloating(value: number, shortest: (value: number) => string): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const magnitude = Math.abs(value);
  const text = shortest(magnitude);
  const sign = value < 0 ? '-' : '';
  if (magnitude >= 1e-3 && magnitude < 1e7) return sign + (text.includes('.') ? text : `${text}.0`);
  // At least two digits, those closest to the value: the smallest double is 4.9E-324, not 5.0E-324.
  const two = /^\d(?:e|$)/.test(text) ? magnitude.toPrecision(2) : text;
  const [mantissa = '', exponentText = '0'] = (shortest(Number(two)) === text ? two : text).split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const digits = (whole + fraction).replace(/^0+/, '');
  const leadingZeros = (whole + fraction).length - digits.length;
  const exponent = Number(exponentText) + whole.length - 1 - leadingZeros;
  const rest = digits.slice(1).replace(/0+$/, '');
  return `${sign}${digits.charAt(0)}.${rest === '' ? '0' : rest}E${exponent}`;
}

/** `BigDecimal.toString`: plain while the exponent is small, else scientific. */
export function javaBigDecimal(unscaled: bigint, scale: number): string {
  const negative = unscaled < 0n;
  const digits = (negative ? -unscaled : unscaled).toString();
  const sign = negative ? '-' : '';
  const exponent = digits.length - 1 - scale;
  if (scale >= 0 && exponent >= -6) {
    if (scale === 0) return sign + digits;
    const padded = digits.padStart(scale + 1, '0');
    return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
  }
  const mantissa = digits.length === 1 ? digits : `${digits.charAt(0)}.${digits.slice(1)}`;
  return `${sign}${mantissa}${exponent === 0 ? '' : `E${exponent > 0 ? '+' : ''}${exponent}`}`;
}
