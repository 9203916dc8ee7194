import root from "@opentelemetry/otlp-transformer/build/src/generated/root";
import { Writer } from "protobufjs/minimal";
import { expect } from "vitest";
import type { Collector } from "../session/deployment";

// A collector of OpenTelemetry. It reads requests with the official definitions of OTLP's messages.

/** An attribute as OTLP has it in JSON. */
interface KeyValue {
  key: string;
  value: {
    stringValue?: string;
    intValue?: string;
    doubleValue?: number;
    arrayValue?: { values: { stringValue: string }[] };
  };
}

/** A span that a collector has received. */
export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  flags: number;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: KeyValue[];
  events: { name: string; timeUnixNano: string; attributes: KeyValue[] }[];
  links?: { traceId: string; spanId: string }[];
  status?: { code: number };
}

/** A point of a metric that a collector has received. */
export interface ReceivedPoint {
  attributes: KeyValue[];
  startTimeUnixNano: string;
  timeUnixNano: string;
  asInt?: string;
  asDouble?: number;
  count?: string;
  sum?: number;
  bucketCounts?: string[];
  explicitBounds?: number[];
}

interface Received {
  resourceSpans?: {
    resource: { attributes: KeyValue[] };
    scopeSpans: { spans: ReceivedSpan[] }[];
  }[];
  resourceMetrics?: {
    resource: { attributes: KeyValue[] };
    scopeMetrics: {
      metrics: {
        name: string;
        unit: string;
        sum?: { dataPoints: ReceivedPoint[]; aggregationTemporality: number; isMonotonic: boolean };
        histogram?: { dataPoints: ReceivedPoint[]; aggregationTemporality: number };
      }[];
    }[];
  }[];
}

/** Returns the values of attributes by their names; integers as numbers. */
export const valuesOf = (attributes: readonly KeyValue[]): Record<string, unknown> =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ??
        value.doubleValue ??
        value.arrayValue?.values.map(({ stringValue }) => stringValue) ??
        Number(value.intValue),
    ]),
  );

/** A type of messages, as `protobufjs` generates it. */
interface MessageType {
  fromObject(json: unknown): object;
  verify(message: object): string | null;
  encode(message: object, writer: Writer): Writer;
  decode(bytes: Uint8Array): object;
  toObject(message: object, options: object): object;
}

/** Looks up a type by its name in the definitions. */
const typeNamed = (name: string): MessageType =>
  name
    .split(".")
    .reduce((all: unknown, part) => (all as Record<string, unknown>)[part], root) as MessageType;

const SERVICES = "opentelemetry.proto.collector";
const MESSAGES = {
  "/v1/traces": typeNamed(`${SERVICES}.trace.v1.ExportTraceServiceRequest`),
  "/v1/metrics": typeNamed(`${SERVICES}.metrics.v1.ExportMetricsServiceRequest`),
};

/** Fields that are bytes, which OTLP has as hex in JSON, where other JSON of protocol buffers has base64. */
const IDS = new Set(["traceId", "spanId", "parentSpanId"]);

const withIds = (json: unknown, convert: (id: string) => string): unknown =>
  JSON.parse(JSON.stringify(json), (key, value) =>
    IDS.has(key) && typeof value === "string" ? convert(value) : value,
  );

const base64Of = (hex: string): string => {
  expect(hex).toMatch(/^([0-9a-f]{16}|[0-9a-f]{32})$/);
  expect(hex).not.toMatch(/^0+$/);
  return btoa(
    String.fromCharCode(...(hex.match(/../g) ?? []).map((two) => Number.parseInt(two, 16))),
  );
};
const hexOf = (base64: string): string =>
  [...atob(base64)].map((c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join("");

/** Reads a request as a collector does. Fails unless it is exactly what the definitions of OTLP's messages allow. */
function readRequest(path: string, body: string): Received {
  const type = MESSAGES[path as keyof typeof MESSAGES];
  expect(type, path).toBeDefined();
  const json = JSON.parse(body);
  const message = type.fromObject(withIds(json, base64Of));
  expect(type.verify(message)).toBeNull();
  const read = type.toObject(type.decode(type.encode(message, new Writer()).finish()), {
    ...{ longs: String, enums: Number, bytes: String },
  });
  const shown = withIds(read, hexOf);
  // A field that is unknown, or has another type, would be missing or changed.
  expect(shown).toEqual(withoutEmpty(json));
  return shown as Received;
}

/** Leaves out empty lists: protocol buffers don't tell them from absent ones. */
const withoutEmpty = (json: unknown): unknown =>
  JSON.parse(JSON.stringify(json), (_, value) =>
    Array.isArray(value) && value.length === 0 ? undefined : value,
  );

/** What a collector has received, in order. */
export class FakeCollector {
  readonly bodies: { url: string; headers: Headers; body: string }[] = [];
  /** Answers a request in place of the collector, if it returns something. `accept` has the collector take it first. */
  answer: (
    request: { url: string; body: string },
    accept: () => void,
  ) => Response | Promise<Response> | undefined = () => undefined;
  /** Its settings. */
  readonly settings: Collector;

  constructor(settings: Partial<Collector> = {}) {
    this.settings = {
      tracesUrl: "https://collector.example/v1/traces",
      metricsUrl: "https://collector.example/v1/metrics",
      headers: {},
      resource: { "service.name": "rigger" },
      capturesContent: false,
      ...settings,
    };
  }

  readonly fetch: typeof fetch = async (input, init) => {
    const request = { url: String(input), body: String(init?.body) };
    const accept = () => {
      this.bodies.push({ ...request, headers: new Headers(init?.headers) });
    };
    const answered = this.answer(request, accept);
    if (answered) return answered;
    accept();
    return Response.json({});
  };

  /** Returns what was received of a session for a path. */
  #received(path: string, session: string): Received[] {
    return this.bodies
      .filter(({ url, body }) => new URL(url).pathname === path && body.includes(session))
      .map(({ body }) => readRequest(path, body));
  }

  /** Returns the spans of a session, each as often as it was received. */
  spans(session: string): ReceivedSpan[] {
    return this.#received("/v1/traces", session).flatMap(({ resourceSpans = [] }) =>
      resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
    );
  }

  /** Returns the points of a metric of a session. */
  points(session: string, metric: string): ReceivedPoint[] {
    return this.#received("/v1/metrics", session).flatMap(({ resourceMetrics = [] }) =>
      resourceMetrics.flatMap(({ scopeMetrics }) =>
        scopeMetrics.flatMap(({ metrics }) =>
          metrics
            .filter(({ name }) => name === metric)
            .flatMap(({ sum, histogram }) => (sum ?? histogram)?.dataPoints ?? []),
        ),
      ),
    );
  }
}
