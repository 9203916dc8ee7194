import { transformJSONSchema } from "@anthropic-ai/sdk/lib/transform-json-schema";
import { z } from "zod";
import { compileSchema, type JsonSchema, UnusableSchema } from "./compiled-schema";

// The JSON schemas that clients may give for results. The API accepts a part of JSON Schema, by which it
// constrains the model; the SDK turns the rest into text, and replies are validated against all of it.

const MAX_PROBLEMS = 20;

const TYPES = ["array", "boolean", "integer", "null", "number", "object", "string"];
const isType = (value: unknown) => TYPES.some((type) => type === value);
const Type = z.unknown().refine((value) => (Array.isArray(value) ? value : [value]).every(isType), {
  error: `must be one of ${TYPES.join(", ")}, or a list of them`,
});

const size = z.int().min(0);
const names = z.array(z.string());

/** A schema that is used for validation only. */
const Checking: z.ZodType = z.lazy(() =>
  // `true` and `false` are schemas too.
  z.preprocess((value) => (typeof value === "boolean" ? {} : value), Keywords),
);

/** A schema by which the API constrains the model. It needs a type. */
const Constraining: z.ZodType = z.lazy(() =>
  Keywords.refine(hasType, {
    error: "needs a type, or an enum, const, anyOf, oneOf, allOf or $ref in its place",
    when: ({ issues }) => issues.length === 0,
  }),
);

const Keywords = z
  .looseObject({
    $schema: z.string(),
    $id: z.string(),
    $anchor: z.string(),
    $ref: z.string(),
    $defs: z.record(z.string(), Constraining),
    definitions: z.record(z.string(), Constraining),
    type: Type,
    enum: z.array(z.unknown()).min(1),
    anyOf: z.array(Constraining).min(1),
    oneOf: z.array(Constraining).min(1),
    allOf: z.array(Constraining).min(1),
    not: Checking,
    if: Checking,
    // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSON Schema.
    then: Checking,
    else: Checking,

    properties: z.record(z.string(), Constraining),
    patternProperties: z.record(z.string(), Checking),
    additionalProperties: Checking,
    unevaluatedProperties: Checking,
    propertyNames: Checking,
    required: names,
    minProperties: size,
    maxProperties: size,
    dependentRequired: z.record(z.string(), names),
    dependentSchemas: z.record(z.string(), Checking),

    items: Constraining,
    prefixItems: z.array(Checking),
    unevaluatedItems: Checking,
    contains: Checking,
    minItems: size,
    maxItems: size,
    minContains: size,
    maxContains: size,
    uniqueItems: z.boolean(),

    minimum: z.number(),
    maximum: z.number(),
    exclusiveMinimum: z.number(),
    exclusiveMaximum: z.number(),
    multipleOf: z.number().positive(),

    minLength: size,
    maxLength: size,
    pattern: z.string(),
    format: z.string(),
  })
  .partial();

function hasType({ $ref, type, enum: values, const: value, ...schema }: JsonSchema): boolean {
  const isPlain = (one: unknown) => one === null || typeof one !== "object";
  return (
    $ref !== undefined ||
    type !== undefined ||
    (Array.isArray(values) && values.every(isPlain)) ||
    (value !== undefined && isPlain(value)) ||
    ["anyOf", "oneOf", "allOf"].some((keyword) => keyword in schema)
  );
}

/** Returns what is wrong with a schema, each with its path; empty if replies can be validated against it. */
export function checkSchema(schema: JsonSchema): { path: string; message: string }[] {
  const { error } = Constraining.safeParse(schema);
  if (error) {
    const issues = error.issues.slice(0, MAX_PROBLEMS);
    return issues.map(({ path, message }) => ({ path: path.join("."), message }));
  }
  try {
    compileSchema(schema);
    wireSchema(schema);
    return [];
  } catch (error) {
    if (error instanceof UnusableSchema) return [{ path: error.path, message: error.message }];
    const why = error instanceof Error ? error.message.slice(0, 200) : "unknown";
    return [{ path: "", message: `can't be used: ${why}` }];
  }
}

/** Returns the schema that is sent to the API: keywords that cannot constrain the model become descriptions. */
export function wireSchema({ definitions, ...schema }: JsonSchema): JsonSchema {
  const named = Object.entries(definitions ?? {}).map(([name, one]) => [
    name,
    transformJSONSchema(one),
  ]);
  return {
    ...transformJSONSchema(schema),
    // The API accepts the older name too; the SDK would turn it into text.
    ...(definitions !== undefined && { definitions: Object.fromEntries(named) }),
  };
}
