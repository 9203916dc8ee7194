import type { z } from "zod";
import type { Issue } from "../session/validate-config";
import { levelsOf, MAX_JSON_DEPTH } from "../shared/json-depth";
import type { AppContext } from "./context";
import { ApiError, invalid } from "./errors";

// Larger than the largest prompt, because JSON escapes encode one byte of ordinary text in up to three.
const MAX_BODY_BYTES = 4 * 1024 * 1024;
// The number of bytes of an oversized body that are still read: a client that is cut off while it sends sees a
// broken connection instead of the response.
const MAX_DISCARDED_BYTES = 32 * 1024 * 1024;
// Every invalid value creates an issue, which needs much more memory than the value.
const MAX_VALUES = 20_000;
// Several times the number of parameters that a valid query has.
const MAX_PARAMETERS = 100;

/**
 * Parses a request's body as JSON, regardless of its Content-Type, and validates it. An empty body is undefined
 * for `schema`.
 */
export async function readBody<T extends z.ZodType>(c: AppContext, schema: T) {
  const text = await readText(c.req.raw.body);
  return parse(schema, text.trim() === "" ? undefined : parseJson(text));
}

/** Reads a body that is not needed, up to a bound: a client that is cut off while it sends may not see the answer. */
export async function discard(body: ReadableStream<Uint8Array> | null): Promise<void> {
  let size = 0;
  try {
    for await (const chunk of body ?? []) {
      size += chunk.byteLength;
      if (size > MAX_DISCARDED_BYTES) return;
    }
  } catch {
    // The client is gone.
  }
}

/** Parses and validates the query string. Throws for a repeated or an unknown parameter. */
export function readQuery<T extends z.ZodType>(c: AppContext, schema: T) {
  const { searchParams } = new URL(c.req.url);
  // It has told who the caller is.
  if (c.var.identity.via === "share") searchParams.delete("token");
  if (searchParams.size > MAX_PARAMETERS) {
    const message = `The query has more than ${MAX_PARAMETERS} parameters.`;
    throw invalid([{ path: "", message }]);
  }
  const seen = new Set<string>();
  for (const name of searchParams.keys()) {
    if (seen.has(name)) throw invalid([{ path: name.slice(0, 200), message: "is given twice" }]);
    seen.add(name);
  }
  return parse(schema, Object.fromEntries(searchParams));
}

/** Returns the `Idempotency-Key` of a request; undefined without one. */
export function idempotencyKey(c: AppContext): string | undefined {
  const key = c.req.header("Idempotency-Key");
  if (key === undefined || /^[\x20-\x7e]{1,255}$/.test(key)) return key;
  throw invalid([{ path: "Idempotency-Key", message: "must be 1 to 255 printable characters" }]);
}

/** Validates a value. Throws an `ApiError` that lists every issue. `name` is the value's own path. */
export function parse<T extends z.ZodType>(schema: T, value: unknown, ...name: string[]) {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues =
    value === undefined && name.length === 0
      ? [{ path: "", message: "The body is empty." }]
      : parsed.error.issues.flatMap((issue) => toIssues(issue, name));
  throw invalid(issues);
}

/** Returns the bytes of a text in UTF-8. */
export const byteLength = (text: string): number => new TextEncoder().encode(text).byteLength;

async function readText(body: ReadableStream<Uint8Array> | null): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  let text = "";
  let size = 0;
  try {
    for await (const chunk of body ?? []) {
      size += chunk.byteLength;
      if (size <= MAX_BODY_BYTES) text += decoder.decode(chunk, { stream: true });
      else if (size > MAX_DISCARDED_BYTES) break;
    }
    if (size <= MAX_BODY_BYTES) return text + decoder.decode();
  } catch {
    throw invalid([{ path: "", message: "The body is not text in UTF-8." }]);
  }
  throw new ApiError("request_too_large", "The body is larger than 4 MiB.");
}

function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw invalid([{ path: "", message: `The body is not JSON: ${why}.` }]);
  }
  const excess = excessOf(value);
  if (excess) throw invalid([{ path: "", message: `The body ${excess}.` }]);
  if (SURROGATE_ESCAPE.test(text)) {
    const broken = [...brokenTexts(value, [])];
    if (broken.length > 0) {
      throw invalid(broken.map((keys) => ({ path: pathOf(keys), message: HALF_CHARACTER })));
    }
  }
  return value;
}

/** A lone surrogate cannot occur in a body decoded from UTF-8, only in an escape. */
const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/;

const HALF_CHARACTER = "holds half a character (a lone surrogate)";

/**
 * Yields the path of each text and key that contains a lone surrogate. SQLite would store a different text,
 * which its session could not find again.
 */
function* brokenTexts(value: unknown, path: PropertyKey[]): Generator<PropertyKey[]> {
  if (typeof value === "string" && !value.isWellFormed()) yield path;
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    const at = [...path, key.toWellFormed()];
    if (!key.isWellFormed()) yield at;
    yield* brokenTexts(inner, at);
  }
}

const pathOf = (keys: PropertyKey[]): string => keys.map(String).join(".").slice(0, 200);

/** Returns how a value exceeds the limits of a request; undefined if it does not. */
function excessOf(value: unknown): string | undefined {
  let depth = 0;
  let values = 0;
  for (const level of levelsOf(value)) {
    values += level.length;
    if (values > MAX_VALUES) return `holds more than ${MAX_VALUES} values`;
    if (depth++ > MAX_JSON_DEPTH) return `is nested more than ${MAX_JSON_DEPTH} levels deep`;
    // Such a key would be dropped silently.
    if (level.some((one) => typeof one === "object" && one && Object.hasOwn(one, "__proto__"))) {
      return 'has a key "__proto__"';
    }
  }
  return undefined;
}

function toIssues(issue: z.core.$ZodIssue, parents: PropertyKey[]): Issue[] {
  const path = [...parents, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      path: pathOf([...path, key]),
      message: "is not known here",
    }));
  }
  if (issue.code === "invalid_key") {
    return issue.issues.map((inner) => ({ path: pathOf(path), message: inner.message }));
  }
  if (issue.code === "invalid_union") {
    const branch = closest(issue.errors);
    if (branch) return branch.flatMap((inner) => toIssues(inner, path));
  }
  return [{ path: pathOf(path), message: issue.message }];
}

/**
 * Returns the issues of the union branch that was probably meant: the only one that lacks nothing but knows some key not, or
 * the one that matched the most of the value, with the fewest issues. Undefined if there is none, or several lack nothing.
 */
function closest(branches: z.core.$ZodIssue[][]): z.core.$ZodIssue[] | undefined {
  const whole = branches.filter((branch) => branch.every(isUnknownKey));
  if (whole.length > 0) return whole.length === 1 ? whole[0] : undefined;
  const depth = (branch: z.core.$ZodIssue[]) => branch[0]?.path.length ?? 0;
  return branches
    .filter((branch) => depth(branch) > 0)
    .sort((a, b) => depth(b) - depth(a) || a.length - b.length)[0];
}

const isUnknownKey = ({ code }: z.core.$ZodIssue): boolean => code === "unrecognized_keys";
