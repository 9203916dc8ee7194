/** The span of a caller that a message belongs to. */
export interface CallerSpan {
  traceId: string;
  spanId: string;
  /** Whether the caller records its trace. */
  isSampled: boolean;
}

/** The fields of a version that is not known may be followed by others. */
const FORMAT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Parses a `traceparent` of the W3C's Trace Context; undefined if it is not valid, or absent. */
export function parseTraceparent(header: string | undefined): CallerSpan | undefined {
  const [, version, traceId = "", spanId = "", flags = "", more] = FORMAT.exec(header ?? "") ?? [];
  if (version === undefined || version === "ff" || (version === "00" && more)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Returns a `traceparent` as the journal keeps it, in version 00; undefined if it is not valid, or absent. */
export function keptTraceparent(header: string | undefined): string | undefined {
  const caller = parseTraceparent(header);
  return caller && `00-${caller.traceId}-${caller.spanId}-${caller.isSampled ? "01" : "00"}`;
}
