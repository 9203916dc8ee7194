import { dereference, type Schema, validate } from "@cfworker/json-schema";
import { z } from "zod";
import document from "../../docs/openapi.json";
import { ERRORS } from "../http/openapi/errors";

// Holds answers to the document of the API.

interface Described {
  responses: Record<string, { $ref?: string; content?: Record<string, { schema: Schema }> }>;
}

const described = closed(structuredClone(document)) as typeof document;
const lookup = dereference(described as Schema);
const paths = Object.entries(described.paths as Record<string, Record<string, Described>>).map(
  ([path, operations]) => ({
    // A path of a file has slashes.
    pattern: new RegExp(`^${path.replace("{path}", ".+").replaceAll(/\{\w+\}/g, "[^/]+")}$`),
    operations,
    parameters: path.split("{").length,
  }),
);
const errors = described.components.responses as Record<string, Described["responses"][string]>;

/**
 * Throws if an answer is not as the document describes it: its status, its media type, or its JSON. Answers may have the
 * described fields only.
 */
export function requireDescribed(
  method: string,
  url: string,
  response: Pick<Response, "status" | "headers">,
  body: unknown,
): void {
  const path = new URL(url, "http://localhost").pathname;
  const operation = operationOf(method, path);
  const { status } = response;
  const answer = operation ? operation.responses[status] : Object.values(errors).find(isOf(status));
  const where = `${method} ${path} answered with ${status}`;
  if (!answer) throw new Error(`${where}, which the document does not describe`);
  const { content } = answer.$ref ? (errors[answer.$ref.split("/").at(-1) ?? ""] ?? {}) : answer;
  const type = response.headers.get("Content-Type")?.split(";")[0] ?? "";
  if (!content && body === null) return;
  const described = content?.[type] ?? content?.["*/*"];
  if (!described) throw new Error(`${where} and ${type || "no body"}, which is not described`);
  if (type === "application/json") requireFitting(described.schema, body, where);
}

const eventsByType = new Map(
  Object.entries(described.components.schemas as Record<string, Schema>)
    .filter(([name]) => name.endsWith("Event") && name !== "StreamedEvent" && name !== "LiveEvent")
    .map(([, schema]): [string, Schema] => [
      (schema.properties?.type as Schema | undefined)?.const,
      schema,
    ]),
);

/** Throws if an event, stored or live, is not as the document describes it. */
export function requireDescribedEvent(event: { type: string }): void {
  const schema = eventsByType.get(event.type);
  if (!schema) throw new Error(`the document does not describe the event ${event.type}`);
  requireFitting(schema, event, `event ${event.type}`);
}

function requireFitting(schema: Schema, value: unknown, where: string): void {
  const { valid, errors } = validate(value, schema, "2020-12", lookup);
  if (valid) return;
  const problems = errors.map(({ instanceLocation, error }) => `${instanceLocation}: ${error}`);
  throw new Error(
    `${where}, which does not fit the document:\n${problems.slice(0, 20).join("\n")}`,
  );
}

function operationOf(method: string, path: string): Described | undefined {
  const name = (method === "HEAD" ? "GET" : method).toLowerCase();
  const found = paths
    .filter(({ pattern, operations }) => pattern.test(path) && operations[name])
    // Words are preferred to parameters.
    .sort((a, b) => a.parameters - b.parameters);
  return found[0]?.operations[name];
}

/** Returns whether an answer is the error of a status, as its path is unknown. */
const isOf = (status: number) => (answer: Described["responses"][string]) => {
  const { $ref = "" } = answer.content?.["application/json"]?.schema ?? {};
  return z.globalRegistry.get(ERRORS[status as keyof typeof ERRORS])?.id === $ref.split("/").at(-1);
};

/** Returns a schema in which objects have no other fields than those that are described. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== "object" || value === null) return value;
  const inner = Object.fromEntries(Object.entries(value).map(([key, one]) => [key, closed(one)]));
  const isObject = "properties" in inner && !("additionalProperties" in inner);
  return isObject ? { ...inner, additionalProperties: false } : inner;
}
