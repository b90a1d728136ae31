// ExportMetricsServiceRequest of the OpenTelemetry protocol (opentelemetry-proto 1.x, metrics/v1), as protobuf and as JSON.
import type { Family, Point } from './prometheus-text.ts';

/** What all families of a request have in common. */
export interface RequestParts {
  readonly resource: Readonly<Record<string, string>>;
  readonly version: string;
  /** Since when counters count, and now, in nanoseconds since 1970. */
  readonly startNs: bigint;
  readonly nowNs: bigint;
}

/** Builds a request family by family, so that whoever calls it can let others run in between. */
export interface RequestEncoder {
  add(family: Family): void;
  finish(): Buffer;
}

const CUMULATIVE = 2;
const SCOPE = 'millrace';

export class JsonEncoder implements RequestEncoder {
  readonly #parts: RequestParts;
  readonly #metrics: object[] = [];

  constructor(parts: RequestParts) {
    this.#parts = parts;
  }

  add({ name, help, isCounter, points }: Family): void {
    const { startNs, nowNs } = this.#parts;
    const dataPoints = points.map(({ labels, value }) => ({
      attributes: labels.map(([key, text]) => attribute(key, text)),
      ...(isCounter ? { startTimeUnixNano: String(startNs) } : {}),
      timeUnixNano: String(nowNs),
      asDouble: value,
    }));
    this.#metrics.push({
      name,
      description: help,
      ...(isCounter
        ? { sum: { dataPoints, aggregationTemporality: CUMULATIVE, isMonotonic: true } }
        : { gauge: { dataPoints } }),
    });
  }

  finish(): Buffer {
    const { resource, version } = this.#parts;
    const attributes = Object.entries(resource).map(([key, text]) => attribute(key, text));
    const scopeMetrics = [{ scope: { name: SCOPE, version }, metrics: this.#metrics }];
    return Buffer.from(JSON.stringify({ resourceMetrics: [{ resource: { attributes }, scopeMetrics }] }));
  }
}

function attribute(key: string, stringValue: string): object {
  return { key, value: { stringValue } };
}

// Field numbers of the messages, as in opentelemetry/proto/{collector/metrics,metrics,resource,common}/v1.
const RESOURCE_METRICS = { resource: 1, scopeMetrics: 2 };
const SCOPE_METRICS = { scope: 1, metrics: 2 };
const METRIC = { name: 1, description: 2, gauge: 5, sum: 7 };
const SUM = { dataPoints: 1, aggregationTemporality: 2, isMonotonic: 3 };
const POINT = { start: 2, time: 3, asDouble: 4, attributes: 7 };
const KEY_VALUE = { key: 1, value: 2 };
const STRING_VALUE = 1;
const NAME = 1;
const VERSION = 2;
const ATTRIBUTES = 1;
const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;

export class ProtobufEncoder implements RequestEncoder {
  readonly #parts: RequestParts;
  readonly #metrics: Buffer[] = [];
  readonly #out = new BackwardWriter();

  constructor(parts: RequestParts) {
    this.#parts = parts;
  }

  add({ name, help, isCounter, points }: Family): void {
    const out = this.#out;
    out.reset();
    const metric = out.mark();
    const body = out.mark();
    if (isCounter) {
      out.number(SUM.isMonotonic, 1);
      out.number(SUM.aggregationTemporality, CUMULATIVE);
    }
    for (const point of points.toReversed()) this.#point(point, isCounter);
    out.message(isCounter ? METRIC.sum : METRIC.gauge, body);
    out.text(METRIC.description, help);
    out.text(METRIC.name, name);
    out.message(SCOPE_METRICS.metrics, metric);
    this.#metrics.push(out.copy());
  }

  #point({ labels, value }: Point, isCounter: boolean): void {
    const out = this.#out;
    const point = out.mark();
    for (const [key, label] of labels.toReversed()) out.keyValue(POINT.attributes, key, label);
    out.double(POINT.asDouble, value);
    out.fixed(POINT.time, this.#parts.nowNs);
    if (isCounter) out.fixed(POINT.start, this.#parts.startNs);
    out.message(SUM.dataPoints, point);
  }

  finish(): Buffer {
    const { resource, version } = this.#parts;
    const out = this.#out;
    out.reset();
    const request = out.mark();
    const scopeMetrics = out.mark();
    for (const metric of this.#metrics.toReversed()) out.bytes(metric);
    const scope = out.mark();
    out.text(VERSION, version);
    out.text(NAME, SCOPE);
    out.message(SCOPE_METRICS.scope, scope);
    out.message(RESOURCE_METRICS.scopeMetrics, scopeMetrics);
    const about = out.mark();
    for (const [key, value] of Object.entries(resource).toReversed()) out.keyValue(ATTRIBUTES, key, value);
    out.message(RESOURCE_METRICS.resource, about);
    out.message(1, request);
    return out.copy();
  }
}

/** Writes messages from their end to their begin, so that the length that goes before one is known when it is written. */
class BackwardWriter {
  #buffer = Buffer.allocUnsafeSlow(64 * 1024);
  #at = this.#buffer.length;

  reset(): void {
    this.#at = this.#buffer.length;
  }
  /** Where a message ends, for `message`: distances from the end stay when the buffer grows. */
  mark(): number {
    return this.#buffer.length - this.#at;
  }
  copy(): Buffer {
    return Buffer.from(this.#buffer.subarray(this.#at));
  }

  message(field: number, end: number): void {
    this.#varint(this.mark() - end);
    this.#varint((field << 3) | LENGTH);
  }
  text(field: number, value: string): void {
    const end = this.mark();
    const length = Buffer.byteLength(value);
    this.#room(length);
    this.#at -= length;
    this.#buffer.write(value, this.#at);
    this.message(field, end);
  }
  keyValue(field: number, key: string, value: string): void {
    const end = this.mark();
    this.text(STRING_VALUE, value);
    this.message(KEY_VALUE.value, end);
    this.text(KEY_VALUE.key, key);
    this.message(field, end);
  }
  number(field: number, value: number): void {
    this.#varint(value);
    this.#varint((field << 3) | VARINT);
  }
  fixed(field: number, value: bigint): void {
    this.#room(8);
    this.#at -= 8;
    this.#buffer.writeBigUInt64LE(value, this.#at);
    this.#varint((field << 3) | FIXED64);
  }
  double(field: number, value: number): void {
    this.#room(8);
    this.#at -= 8;
    this.#buffer.writeDoubleLE(value, this.#at);
    this.#varint((field << 3) | FIXED64);
  }
  bytes(value: Buffer): void {
    this.#room(value.length);
    this.#at -= value.length;
    value.copy(this.#buffer, this.#at);
  }

  #varint(value: number): void {
    let length = 1;
    for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) length++;
    this.#room(length);
    this.#at -= length;
    let rest = value;
    for (let i = 0; i < length; i++) {
      this.#buffer[this.#at + i] = (rest & 0x7f) | (i < length - 1 ? 0x80 : 0);
      rest = Math.floor(rest / 128);
    }
  }

  #room(wanted: number): void {
    if (this.#at >= wanted) return;
    const used = this.mark();
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, used + wanted));
    this.#buffer.copy(grown, grown.length - used, this.#at);
    this.#buffer = grown;
    this.#at = grown.length - used;
  }
}
