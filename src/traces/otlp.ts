import { sha256, toHex } from "../shared/bytes";
import { dollars } from "../shared/money";
import { ATTR, DOUBLES, DURATION_BOUNDS, METRIC, OPERATION, PROVIDER } from "./conventions";
import type { Attributes, Span, Spent, TracedSession } from "./spans";

// Spans and metrics as OTLP has them in JSON: 64-bit integers are strings, ids are hex, enums are numbers.

/** The values of enums of OTLP. */
const KIND = { internal: 1, client: 3 } as const;
const ERROR = 2;
const DELTA = 1;
/** The flags of a span's parent: it is known whether it is remote, and it is. */
const HAS_REMOTE = 0x100;
const IS_REMOTE = 0x200;
const SAMPLED = 1;

/** Attributes of everything that the deployment sends. */
export type Resource = Readonly<Record<string, string>>;

type Identity = Pick<TracedSession, "id" | "createdAt">;

const SCOPE = { name: "rigger" };

/**
 * Returns the body of a request to `/v1/traces`; null if there is nothing to send, since callers do not record their traces.
 * `content` has further attributes of spans, by their seqs.
 */
export async function tracesBody(
  resource: Resource,
  session: Identity,
  spans: readonly Span[],
  content: ReadonlyMap<number, Attributes>,
): Promise<string | null> {
  const recorded = spans.filter(({ caller }) => caller?.isSampled !== false);
  if (recorded.length === 0) return null;
  const encoded = recorded.map((span) => encodeSpan(session, span, content.get(span.seq)));
  const scopeSpans = [{ scope: SCOPE, spans: await Promise.all(encoded) }];
  return JSON.stringify({
    resourceSpans: [{ resource: resourceOf(resource, session), scopeSpans }],
  });
}

async function encodeSpan(session: Identity, span: Span, content: Attributes = {}) {
  const { kind, caller, trace, seq, parent, error } = span;
  const isRemote = kind === "message" && caller !== undefined;
  const parentSpanId = isRemote
    ? caller.spanId
    : parent !== null && (await spanIdOf(session, parent));
  return {
    traceId: caller?.traceId ?? (await traceIdOf(session, trace)),
    spanId: await spanIdOf(session, seq),
    ...(parentSpanId && { parentSpanId }),
    flags: SAMPLED | HAS_REMOTE | (isRemote ? IS_REMOTE : 0),
    name: span.name,
    kind: kind === "turn" ? KIND.client : KIND.internal,
    startTimeUnixNano: nanosOf(span.startAt),
    endTimeUnixNano: nanosOf(span.endAt),
    attributes: encodeAttributes({ ...span.attributes, ...content }),
    events: span.events.map(({ name, at, attributes }) => ({
      ...{ timeUnixNano: nanosOf(at), name, attributes: encodeAttributes(attributes) },
    })),
    ...(span.lostEvents > 0 && { droppedEventsCount: span.lostEvents }),
    ...(kind === "message" && { links: [await linkToSession(session)] }),
    ...(error !== null && { status: { code: ERROR } }),
  };
}

const linkToSession = async (session: Identity) => ({
  traceId: await traceIdOf(session, 0),
  spanId: await spanIdOf(session, 0),
});

// An id of a session may be used again after its deletion, so ids depend on when the session was created.
const idOf = async ({ id, createdAt }: Identity, what: string, n: number, bytes: number) =>
  toHex((await sha256(`${id}/${createdAt}/${what}/${n}`)).subarray(0, bytes));

const traceIdOf = (session: Identity, n: number) => idOf(session, "trace", n, 16);
const spanIdOf = (session: Identity, n: number) => idOf(session, "span", n, 8);

const nanosOf = (ms: number): string => `${ms}000000`;

const resourceOf = (resource: Resource, session: Identity) => ({
  attributes: encodeAttributes({ ...resource, [ATTR.serviceInstance]: session.id }),
});

const encodeAttributes = (attributes: Attributes) =>
  Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: encodeValue(key, value) }],
  );

function encodeValue(key: string, value: NonNullable<Attributes[string]>) {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") {
    const isDouble = DOUBLES.has(key) || !Number.isInteger(value);
    return isDouble ? { doubleValue: value } : { intValue: String(value) };
  }
  return { arrayValue: { values: value.map((one) => ({ stringValue: one })) } };
}

/** What is counted and measured of spans that ended within a time. */
export interface Interval {
  startAt: number;
  endAt: number;
}

/** Returns the body of a request to `/v1/metrics` with what spans add to the metrics; null if they add nothing. */
export function metricsBody(
  resource: Resource,
  session: Identity,
  spans: readonly Span[],
  interval: Interval,
): string | null {
  const turns = spans.filter(({ kind }) => kind === "turn");
  const metrics = [
    durations(METRIC.callDuration, turns, callAttributes, interval),
    ...SUMS.map((sum) => summed(sum, turns, interval)),
    durations(METRIC.toolDuration, ofKind(spans, "tool"), toolAttributes, interval),
    durations(METRIC.agentDuration, ofKind(spans, "message", "agent"), agentAttributes, interval),
  ].flat();
  if (metrics.length === 0) return null;
  const scopeMetrics = [{ scope: SCOPE, metrics }];
  return JSON.stringify({
    resourceMetrics: [{ resource: resourceOf(resource, session), scopeMetrics }],
  });
}

const ofKind = (spans: readonly Span[], ...kinds: Span["kind"][]) =>
  spans.filter(({ kind }) => kinds.includes(kind));

const modelAttributes = ({ attributes }: Span): Attributes => ({
  [ATTR.operation]: OPERATION.chat,
  [ATTR.provider]: PROVIDER,
  [ATTR.requestModel]: attributes[ATTR.requestModel],
});

const callAttributes = (span: Span): Attributes => ({
  ...modelAttributes(span),
  [ATTR.errorType]: span.error ?? undefined,
});

const toolAttributes = ({ attributes, error }: Span): Attributes => ({
  [ATTR.operation]: OPERATION.tool,
  [ATTR.toolName]: attributes[ATTR.toolName],
  [ATTR.errorType]: error ?? undefined,
});

const agentAttributes = ({ agent, error }: Span): Attributes => ({
  [ATTR.operation]: OPERATION.agent,
  [ATTR.agentName]: agent,
  [ATTR.errorType]: error ?? undefined,
});

/** The upstream does not say what the tokens are of. */
const MODALITY: Attributes = { [ATTR.modality]: "unknown" };

/** A sum over calls of the model. */
interface Sum {
  name: string;
  unit: string;
  isInteger: boolean;
  count(spent: Spent): number;
  attributes: Attributes;
}

const TOKENS: readonly (readonly [name: string, counted: keyof Spent])[] = [
  [METRIC.inputTokens, "inputTokens"],
  [METRIC.outputTokens, "outputTokens"],
  [METRIC.cacheReadTokens, "cacheReadTokens"],
  [METRIC.cacheWriteTokens, "cacheWriteTokens"],
];

const SUMS: readonly Sum[] = [
  ...TOKENS.map(([name, counted]) => ({
    ...{ name, unit: "{token}", isInteger: true, attributes: MODALITY },
    count: (spent: Spent) => spent[counted],
  })),
  {
    ...{ name: METRIC.cost, unit: "{USD}", isInteger: false, attributes: {} },
    count: ({ costNanos }) => dollars(costNanos),
  },
];

/** Groups spans by their attributes. */
const grouped = (spans: readonly Span[], attributesOf: (span: Span) => Attributes) =>
  [...Map.groupBy(spans, (span) => JSON.stringify(attributesOf(span))).values()].map((group) => ({
    group,
    attributes: attributesOf(group[0] as Span),
  }));

const timesOf = ({ startAt, endAt }: Interval) => ({
  startTimeUnixNano: nanosOf(startAt),
  timeUnixNano: nanosOf(endAt),
});

/** Returns a histogram of the durations of spans, in seconds; nothing if there are none. */
function durations(
  name: string,
  spans: readonly Span[],
  attributesOf: (span: Span) => Attributes,
  interval: Interval,
) {
  if (spans.length === 0) return [];
  const dataPoints = grouped(spans, attributesOf).map(({ group, attributes }) => {
    const seconds = group.map(({ startAt, endAt }) => Math.max(0, endAt - startAt) / 1_000);
    const counts = new Array(DURATION_BOUNDS.length + 1).fill(0);
    for (const one of seconds) counts[bucketOf(one)] += 1;
    return {
      attributes: encodeAttributes(attributes),
      ...timesOf(interval),
      count: String(group.length),
      sum: seconds.reduce((sum, one) => sum + one, 0),
      bucketCounts: counts.map(String),
      explicitBounds: DURATION_BOUNDS,
      min: Math.min(...seconds),
      max: Math.max(...seconds),
    };
  });
  return [{ name, unit: "s", histogram: { dataPoints, aggregationTemporality: DELTA } }];
}

/** Returns the bucket of a value: bounds are upper ones, and belong to their buckets. */
function bucketOf(value: number): number {
  const index = DURATION_BOUNDS.findIndex((bound) => value <= bound);
  return index < 0 ? DURATION_BOUNDS.length : index;
}

/** Returns a sum of what calls have used, by the model; nothing if it is 0. */
function summed(
  { name, unit, isInteger, count, ...sum }: Sum,
  spans: readonly Span[],
  interval: Interval,
) {
  const dataPoints = grouped(spans, modelAttributes).flatMap(({ group, attributes }) => {
    const total = group.reduce((all, { spent }) => all + count(spent), 0);
    if (total === 0) return [];
    return {
      attributes: encodeAttributes({ ...attributes, ...sum.attributes }),
      ...timesOf(interval),
      ...(isInteger ? { asInt: String(total) } : { asDouble: total }),
    };
  });
  if (dataPoints.length === 0) return [];
  return [{ name, unit, sum: { dataPoints, aggregationTemporality: DELTA, isMonotonic: true } }];
}
